// PostGraphile beside Reactor: the same tables, role and claims. Started by data.py:
//   node peer_postgraphile.mjs FOLDER DSN PORT WORKERS SETTINGS
// FOLDER holds node_modules; SETTINGS is a JSON object of the settings that Reactor sends with a request.
import cluster from "node:cluster";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, dsn, port, workers, settings] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));

async function serve() {
  const { postgraphile } = require("postgraphile");
  const { PostGraphileAmberPreset } = require("postgraphile/presets/amber");
  const { makePgService } = require("postgraphile/adaptors/pg");
  const { PostGraphileConnectionFilterPreset } = require("postgraphile-plugin-connection-filter");
  const { grafserv } = require("postgraphile/grafserv/node");
  const pgSettings = JSON.parse(settings);
  const instance = postgraphile({
    extends: [PostGraphileAmberPreset, PostGraphileConnectionFilterPreset],
    // Else only columns with an index can be filters.
    disablePlugins: ["PgIndexBehaviorsPlugin"],
    pgServices: [makePgService({ connectionString: dsn, schemas: ["public"], poolConfig: { max: 10 } })],
    grafast: { context: () => ({ pgSettings }) },
    grafserv: { graphqlPath: "/graphql", watch: false },
  });
  const server = createServer();
  await instance.createServ(grafserv).addTo(server);
  // For data.py, which waits for the first 200.
  const [answer] = server.listeners("request");
  server.removeAllListeners("request");
  server.on("request", (req, res) => (req.url === "/health" ? res.end("up") : answer(req, res)));
  server.listen(Number(port), "127.0.0.1");
}

if (cluster.isPrimary && Number(workers) > 1) {
  for (let n = 0; n < Number(workers); n++) cluster.fork();
} else {
  await serve();
}

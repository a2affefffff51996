// The application that test_postgrest_js.py runs: @supabase/postgrest-js as it is, given a base URL and headers.
// It prints what every call answered as one JSON document.
import { PostgrestClient } from "@supabase/postgrest-js";

const [base] = process.argv.slice(2);
const client = (token) => new PostgrestClient(base, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
const ann = client("ann");
const books = () => ann.from("books");
const found = {};

async function tell(name, query) {
  const { data, error, count, status } = await query;
  found[name] = error ? { code: error.code, status } : { data, status, ...(count === null || count === undefined ? {} : { count }) };
}

async function filtered(name, narrow, from = books) {
  const { data, error } = await narrow(from().select("id")).order("id");
  found[`filter ${name}`] = error ? error : data.map((row) => row.id);
}

const authors = () => ann.from("authors");
await filtered("eq", (q) => q.eq("title", 'Fiasco, or "not"'));
await filtered("neq", (q) => q.neq("id", 1));
await filtered("gt", (q) => q.gt("year", 1971));
await filtered("gte", (q) => q.gte("year", 1971));
await filtered("lt", (q) => q.lt("price", 8.25));
await filtered("lte", (q) => q.lte("price", 8.25));
await filtered("like", (q) => q.like("title", "%of%"));
await filtered("likeAllOf", (q) => q.likeAllOf("title", ["%o%", "%s"]));
await filtered("likeAnyOf", (q) => q.likeAnyOf("title", ["Sol%", "%Heaven"]));
await filtered("ilike", (q) => q.ilike("title", "%THE%"));
await filtered("ilikeAllOf", (q) => q.ilikeAllOf("title", ["%O%", "%S"]));
await filtered("ilikeAnyOf", (q) => q.ilikeAnyOf("title", ["sol%", "%heaven"]));
await filtered("regexMatch", (q) => q.regexMatch("title", "^The"));
await filtered("regexIMatch", (q) => q.regexIMatch("title", "^the"));
await filtered("is", (q) => q.is("lent", null));
await filtered("is true", (q) => q.is("lent", true));
await filtered("isDistinct", (q) => q.isDistinct("lent", true));
await filtered("in", (q) => q.in("about", ["an ocean that thinks", "a failed visit"]));
await filtered("notIn", (q) => q.notIn("id", [1, 2]));
await filtered("not", (q) => q.not("lent", "is", null));
await filtered("or", (q) => q.or("id.eq.1,and(year.gt.1980,lent.is.false)"));
await filtered("match", (q) => q.match({ author_id: 1, lent: false }));
await filtered("filter", (q) => q.filter("year", "in", "(1961,1986)"));
await filtered("textSearch", (q) => q.textSearch("about", "moons"));
await filtered("textSearch plain", (q) => q.textSearch("about", "dreams true", { type: "plain", config: "english" }));
await filtered("textSearch phrase", (q) => q.textSearch("about", "failed visit", { type: "phrase" }));
await filtered("textSearch websearch", (q) => q.textSearch("about", "ocean or moons", { type: "websearch" }));
await filtered("rangeGt", (q) => q.rangeGt("sold", "(0,15)"));
await filtered("rangeGte", (q) => q.rangeGte("sold", "(9,12)"));
await filtered("rangeLt", (q) => q.rangeLt("sold", "(8,30)"));
await filtered("rangeLte", (q) => q.rangeLte("sold", "(0,20)"));
await filtered("rangeAdjacent", (q) => q.rangeAdjacent("sold", "(19,25)"));
await filtered("overlaps range", (q) => q.overlaps("sold", "[4,11)"));
await filtered("contains range", (q) => q.contains("sold", "[12,13)"));
await filtered("contains array", (q) => q.contains("tags", ["two words"]), authors);
await filtered("contains document", (q) => q.contains("data", { a: { b: 1 } }), authors);
await filtered("containedBy", (q) => q.containedBy("tags", ["sf", "two words"]), authors);
await filtered("overlaps array", (q) => q.overlaps("tags", ["two words", "x"]), authors);

await tell("order and limit", books().select("id").order("year", { ascending: false }).limit(2));
await tell("order nulls", books().select("id").order("price", { nullsFirst: true }).order("id"));
await tell("range", books().select("id").order("id").range(1, 2));
await tell("count", books().select("id", { count: "exact" }).order("id").limit(1));
await tell("head", books().select("*", { count: "exact", head: true }));
await tell("estimated", books().select("id", { count: "estimated" }).eq("id", 1));
await tell("single", books().select("title").eq("id", 3).single());
await tell("single of none", books().select("title").eq("id", 99).single());
await tell("maybeSingle", books().select("title").eq("id", 3).maybeSingle());
await tell("maybeSingle of none", books().select("title").eq("id", 99).maybeSingle());
await tell("csv", books().select("id,year").lte("id", 2).order("id").csv());
await tell("stripNulls", books().select("id,price").eq("id", 4).stripNulls());
found.explain = typeof (await books().select("id").explain({ analyze: true })).data;
await tell("throwOnError", books().select("id").eq("id", 1).throwOnError());
await tell("aborted later", books().select("id").eq("id", 1).abortSignal(new AbortController().signal));

await tell("embed", authors().select("name,books(title)").order("id").order("year", { referencedTable: "books" }));
await tell("embed limit", authors().select("id,books(id)").eq("id", 1).order("id", { referencedTable: "books" }).limit(1, { referencedTable: "books" }));
await tell("embed range", authors().select("id,books(id)").eq("id", 1).order("id", { referencedTable: "books" }).range(1, 1, { referencedTable: "books" }));
await tell("embed inner", authors().select("name,books!inner(id)").gt("books.year", 1980));
await tell("embed or", authors().select("id,books(id)").eq("id", 2).or("id.eq.3,year.gt.1990", { referencedTable: "books" }));
await tell("embed to one", books().select("title,authors(name)").eq("id", 3));
await tell("embed spread", books().select("title,...authors(author:name)").eq("id", 3));

await tell("insert", books().insert({ id: 10, title: "One", year: 2001 }));
await tell("insert and select", books().insert({ id: 11, title: "Two" }).select("id,title,about").single());
await tell("insert many", books().insert([{ id: 12, title: "A" }, { id: 13, title: "B", about: "b" }], { count: "exact", defaultToNull: false }).select("id,about").order("id"));
await tell("upsert", books().upsert([{ id: 10, title: "One", year: 2 }, { id: 14, title: "Four", year: 4 }]).select("id,year").order("id"));
await tell("upsert ignored", books().upsert({ id: 15, title: "One" }, { onConflict: "title", ignoreDuplicates: true }).select());
await tell("update", books().update({ year: 3 }, { count: "exact" }).in("id", [10, 14]));
await tell("update and select", books().update({ year: 5 }).eq("id", 10).select("id,year,authors(name)"));
await tell("too many", books().delete().gte("id", 10).maxAffected(2));
await tell("delete", books().delete().eq("id", 11));
await tell("delete and select", books().delete().gte("id", 10).select("id").order("id"));
await tell("hidden from bob", client("bob").from("books").update({ year: 0 }).eq("id", 1).select());
await tell("seen by bob", client("bob").from("books").select("id"));

await tell("rpc", ann.rpc("add_them", { a: 1, b: 2 }));
await tell("rpc get", ann.rpc("add_them", { a: 1, b: 2 }, { get: true }));
await tell("rpc void", ann.rpc("touch"));
await tell("rpc rows", ann.rpc("books_since", { since: 1971 }, { count: "exact" }).select("id").order("id").limit(2));
await tell("rpc one", ann.rpc("books_since", { since: 1971 }).select("title").eq("id", 4).single());
await tell("rpc head", ann.rpc("books_since", { since: 1971 }, { head: true, count: "exact" }));

await tell("schema", ann.schema("annex").from("notes").select("body"));
await tell("unknown column", books().select("nope"));
await tell("unknown table", ann.from("nowhere").select());
await tell("taken", books().insert({ id: 1, title: "again" }));
await tell("unknown function", ann.rpc("nowhere"));
await tell("unknown schema", ann.schema("nowhere").from("books").select());
await tell("no token", client(null).from("books").select());

console.log(JSON.stringify(found));

"""The exposed schemas as TypeScript and Python: what is in them, that compilers take them, and that they refuse what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCHEMA = """
create schema annex;
create type mood as enum ('sad', 'so-so', 'o"k');
create domain short as varchar(20) check (length(value) > 0);
create table teams (id int primary key, org_id uuid not null default auth.org_id(), name text not null);
create table people (
  id bigint generated always as identity primary key, team_id int not null references teams, deputy int unique references teams (id),
  name short not null, feels mood, moods mood[] not null default '{}', pay numeric(8, 2), facts jsonb not null default '{}',
  born date, "odd name" text, yearly numeric generated always as (pay * 12) stored, spot point);
create view paid as select id, name, pay from people where pay is not null;
create view teams_people as select t.name as team, count(*) as n from teams t join people p on p.team_id = t.id group by 1;
create table annex.notes (id uuid primary key default gen_random_uuid(), body text, feels public.mood);
create function add_them(a int, b int default 2) returns int language sql immutable as $$ select a + b $$;
create function dual(a int) returns int language sql immutable as $$ select a $$;
create function dual(a text) returns text language sql immutable as $$ select a $$;
create function members(team int) returns setof people language sql stable as $$ select * from people where team_id = team $$;
create function spans(out low int, out high int) returns setof record language sql stable as $$ select 1, 2 $$;
create function nothing() returns void language sql as $$ select $$;
"""


@pytest.fixture
def data(served: Callable[..., Any]) -> Any:
    return served(SCHEMA, user_schema="public, annex")


@pytest.fixture
def module(data: Any) -> Callable[[str], str]:
    from reactor_kernel.testing.project import ADMIN_TOKEN

    def get(language: str) -> str:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        answer = data.client.get(f"/data/v1/_admin/types/{language}", headers=headers)
        assert answer.status_code == 200, answer.text
        assert (
            answer.headers["content-type"]
            == {
                "typescript": "text/typescript; charset=utf-8",
                "python": "text/x-python; charset=utf-8",
            }[language]
        )
        return str(answer.text)

    return get


PEOPLE = """\
      people: {
        Row: {
          id: number;
          team_id: number;
          deputy: number | null;
          name: string;
          feels: Database["public"]["Enums"]["mood"] | null;
          moods: Database["public"]["Enums"]["mood"][];
          pay: number | null;
          facts: Json;
          born: string | null;
          "odd name": string | null;
          yearly: number | null;
          spot: unknown | null;
        };
        Insert: {
          id?: never;
          team_id: number;
          deputy?: number | null;
          name: string;
          feels?: Database["public"]["Enums"]["mood"] | null;
          moods?: Database["public"]["Enums"]["mood"][];
          pay?: number | null;
          facts?: Json;
          born?: string | null;
          "odd name"?: string | null;
          yearly?: never;
          spot?: unknown | null;
        };
        Update: {
          id?: never;
          team_id?: number;
          deputy?: number | null;
          name?: string;
          feels?: Database["public"]["Enums"]["mood"] | null;
          moods?: Database["public"]["Enums"]["mood"][];
          pay?: number | null;
          facts?: Json;
          born?: string | null;
          "odd name"?: string | null;
          yearly?: never;
          spot?: unknown | null;
        };
        Relationships: [
          {
            foreignKeyName: "people_deputy_fkey";
            columns: ["deputy"];
            isOneToOne: true;
            referencedRelation: "teams";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "people_team_id_fkey";
            columns: ["team_id"];
            isOneToOne: false;
            referencedRelation: "teams";
            referencedColumns: ["id"];
          },
        ];
      };
"""
FUNCTIONS = """\
      add_them: { Args: { a: number; b?: number }; Returns: number };
      dual:
        | { Args: { a: number }; Returns: number }
        | { Args: { a: string }; Returns: string };
      members: { Args: { team: number }; Returns: Database["public"]["Tables"]["people"]["Row"][] };
      nothing: { Args: Record<PropertyKey, never>; Returns: undefined };
      spans: { Args: Record<PropertyKey, never>; Returns: { low: number | null; high: number | null }[] };
"""


def test_typescript_shows_tables_views_functions_and_enumerations(module: Callable[[str], str]) -> None:
    text = module("typescript")
    assert text == module("typescript")
    lines = text.splitlines()
    assert [line.startswith("// ") for line in lines[:3]] == [True, True, False]
    assert lines[2].startswith("export type Json = ")
    assert lines[4:7] == ["export interface Database {", "  public: {", "    Tables: {"]
    assert PEOPLE in text
    public, _ = text.split("  annex: {")
    functions, enums = public.split("    Functions: {\n")[1].split("    };\n    Enums: {\n")
    # The function that makes the default of keys is exposed too; its name sorts between others.
    assert functions == FUNCTIONS.replace(
        "      spans", "      reactor_id: { Args: Record<PropertyKey, never>; Returns: string };\n      spans"
    )
    assert enums.splitlines()[0] == '      mood: "sad" | "so-so" | "o\\"k";'
    assert "  annex: {\n    Tables: {\n      notes: {\n" in text
    assert 'feels: Database["public"]["Enums"]["mood"] | null;' in text.split("  annex: {")[1]
    assert "    Views: {};\n    Functions: {};\n    Enums: {};\n  };\n}\n" in text
    views = text.split("    Views: {")[1].split("    Functions: {")[0]
    assert (
        "      teams_people: {\n        Row: {\n          team: string | null;\n          n: number | null;\n        };\n"
        in views
    )
    assert "teams_people: {" in views
    assert "Insert" not in views.split("teams_people: {")[1].split("titles: {")[0]
    assert "Insert" in views.split("paid: {")[1].split("teams_people: {")[0]
    tables = [
        line.split(":")[0].strip()
        for line in lines
        if line.startswith("      ") and line[6] != " " and line.endswith(": {")
    ]
    assert tables[:6] == ["canary", "closed", "facts", "people", "secrets", "teams"]


def test_what_was_made_a_moment_ago_is_in_it(module: Callable[[str], str], data: Any) -> None:
    import time

    assert "latecomers" not in module("typescript")
    data.rows("create table latecomers (id int primary key)")
    time.sleep(1.1)
    assert "latecomers: {" in module("typescript")


def test_a_label_that_was_added_without_a_notice_is_in_it(module: Callable[[str], str], data: Any) -> None:
    import time

    data.rows("drop event trigger if exists reactor_data_ddl")
    assert "elated" not in module("typescript")
    time.sleep(1.1)  # the catalogue is looked at once a second at most
    data.rows("alter type mood add value 'elated'")
    assert "elated" in module("typescript")


def test_only_administrators_and_services_get_types(data: Any) -> None:
    from reactor_kernel.testing.project import ADMIN_TOKEN

    path = "_admin/types/typescript"
    refused = data.ann.call("GET", path)
    assert (refused.status_code, refused.json()["error"]["message"]) == (401, "the admin token is wrong")
    data.ann.more = {"kind": "service", "db_role": "service"}
    assert data.ann.call("GET", path).status_code == 200
    assert data.client.get(f"/data/v1/{path}").status_code == 401
    other = data.client.get("/data/v1/_admin/types/cobol", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert (other.status_code, other.json()["message"], other.json()["hint"]) == (
        404,
        "types are not generated for cobol",
        "Ask for one of: typescript, python.",
    )


RIGHT_PYTHON = """
from database_types import Database, PeopleInsert, PeopleRow, TeamsRow
from postgrest import SyncPostgrestClient

database = Database(SyncPostgrestClient("http://127.0.0.1:1"))

def right(person: PeopleInsert) -> None:
    rows: list[TeamsRow] = database.public.teams.select().eq("name", "a").order("id", desc=True).limit(3).execute().data
    name: str = rows[0]["name"]
    one: PeopleRow = database.public.people.insert({"team_id": 1, "name": name, "feels": "so-so", "odd name": None}).single()
    pay: float | None = one["pay"]
    database.public.people.insert(person, person).execute()
    database.public.people.update({"pay": 3}).eq("odd name", "x").execute()
    database.public.people.upsert(person, on_conflict=["name"]).execute()
    database.public.teams.delete().not_.in_("id", [1, 2]).execute()
    some = database.public.people.select("id", "odd name").maybe_single()
    total: int = database.public.rpc.add_them(a=1)
    text: str = database.public.rpc.dual(a="x")
    more: list[PeopleRow] = database.public.rpc.members(team=1)
    database.public.teams_people.select("team").execute()
    database.annex.notes.select("body").execute()
"""
WRONG_PYTHON = {
    'database.public.teams.select("nme")': 'No overload variant of "select" of "View" matches',
    'database.public.teams.select().eq("nme", 1)': "nme",
    'database.public.teams.select().order("nme")': "nme",
    "database.public.team.select()": '"team"',
    'database.public.teams.insert({"id": 1, "nme": "a"})': "nme",
    'database.public.people.insert({"name": "a"})': "team_id",
    'database.public.people.insert({"team_id": "1", "name": "a"})': "team_id",
    'database.public.people.insert({"team_id": 1, "name": "a", "feels": "glad"})': "feels",
    'database.public.people.insert({"team_id": 1, "name": "a", "id": 3})': "id",
    'database.public.people.update({"nme": "a"})': "nme",
    'database.public.people.upsert({"team_id": 1, "name": "a"}, on_conflict=["nme"])': "nme",
    'database.public.teams.select().execute().data[0]["nme"]': "nme",
    "database.public.teams_people.insert({})": "insert",
    "database.public.rpc.add_them(c=1)": '"c"',
    "database.public.rpc.add_tem(a=1)": "add_tem",
}


def test_mypy_takes_a_right_program_and_refuses_wrong_ones(module: Callable[[str], str], tmp_path: Path) -> None:
    text = module("python")
    assert text == module("python")
    (tmp_path / "database_types.py").write_text(text, encoding="utf-8")
    (tmp_path / "right.py").write_text(RIGHT_PYTHON, encoding="utf-8")
    head = "\n".join(RIGHT_PYTHON.splitlines()[:5])
    (tmp_path / "wrong.py").write_text("\n".join([head, *WRONG_PYTHON]), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run(
        [*command, "right.py", "wrong.py"], cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.stderr == ""
    complaints: dict[int, str] = {}
    for line in done.stdout.splitlines():
        place, number, what = line.split(":", 2)
        assert place == "wrong.py", done.stdout
        complaints.setdefault(int(number), "")
        complaints[int(number)] += what
    first = len(head.splitlines()) + 1
    for at, (program, named) in enumerate(WRONG_PYTHON.items(), first):
        assert named in complaints.get(at, "nothing"), (program, complaints.get(at), done.stdout)


def test_the_python_module_runs(module: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "database_types.py").write_text(module("python"), encoding="utf-8")
    script = "import database_types as d, json; print(json.dumps([sorted(d.PeopleRow.__annotations__), d.TeamsColumn.__args__]))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    columns, literal = json.loads(done.stdout)
    assert "odd name" in columns
    assert "moods" in columns
    assert literal == ["id", "org_id", "name"]


TABLES = ("class", "a b", "a_b", "a-b", "1st", "Öl", "None", "rpc", "row", 'a"b', "a'b\\c", "answer", "$x", "_y")
COLUMNS = ("def", "__x", "é", 'a"b', "new\nline", "self", "None", "plain", "a\\b", "a'b")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_names_that_are_none_of_a_language_are_still_named(
    served: Callable[..., Any], npm: Callable[..., Path], tmp_path: Path
) -> None:
    from reactor_kernel.testing.project import ADMIN_TOKEN

    columns = ", ".join(f"{_quoted(name)} text" for name in COLUMNS)
    made = [f"create table {_quoted(name)} ({columns});" for name in TABLES]
    made += ["create type literal as enum ('a''b', 'c\\d', E'e\\nf', '');", "create type nil as enum ();"]
    made += ["create table uses (a literal, b nil);", "create domain many as literal[];", "create table more (a many);"]
    made += ['create function "class"("class" int, "a b" text) returns int language sql as $$ select 1 $$;']
    made += ['create function "def"() returns "row" language sql as $$ select null::"row" $$;']
    client = served("\n".join(made)).client
    found = {
        language: client.get(
            f"/data/v1/_admin/types/{language}", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}
        ).text
        for language in ("python", "typescript")
    }
    (tmp_path / "database_types.py").write_text(found["python"], encoding="utf-8")
    script = """
import json, database_types as d
database = d.Database(d.SyncPostgrestClient("http://127.0.0.1:1"))
tables = [table._name for table in vars(database.public).values() if isinstance(table, d.View)]
print(json.dumps([sorted(tables), d.RowColumn.__args__, d.Literal2.__args__]))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    names, columns_found, labels = json.loads(done.stdout)
    assert set(TABLES) < set(names)
    assert len(names) == len(set(names))
    assert columns_found == list(COLUMNS)
    assert labels == ["a'b", "c\\d", "e\nf", ""]
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "database_types.py"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert checked.returncode == 0, checked.stdout
    (tmp_path / "database.types.ts").write_text(found["typescript"], encoding="utf-8")
    modules = npm("typescript@5.9.3", "@supabase/postgrest-js@2.109.0")
    compiler = ["node", str(modules / "typescript" / "bin" / "tsc"), "--noEmit", "--strict", "database.types.ts"]
    compiled = subprocess.run(compiler, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert compiled.returncode == 0, compiled.stdout


RIGHT_TYPESCRIPT = """
import { PostgrestClient } from "@supabase/postgrest-js";
import type { Database } from "./database.types.js";

const database = new PostgrestClient<Database>("http://127.0.0.1:1");

export async function right(): Promise<void> {
  const { data: teams } = await database.from("teams").select("id, name").eq("name", "a").order("id");
  const name: string = teams![0].name;
  const { data: people } = await database.from("people").select("name, pay, teams!people_team_id_fkey(name)");
  const pay: number | null = people![0].pay;
  const team: string = people![0].teams.name;
  await database.from("people").insert({ team_id: 1, name, feels: "so-so", "odd name": null });
  await database.from("people").update({ pay, name: team }).eq("odd name", "x");
  const { data: total } = await database.rpc("add_them", { a: 1 });
  const sum: number = total!;
  const { data: members } = await database.rpc("members", { team: sum }).select("name");
  await database.from("teams_people").select("team");
  const { data: notes } = await database.schema("annex").from("notes").select("body, feels");
  const feels: "sad" | "so-so" | 'o"k' | null = notes![0].feels;
  console.log(members, feels);
}
"""
WRONG_TYPESCRIPT = (
    'await database.from("team").select();',
    'await database.from("people").insert({ name: "a" });',
    'await database.from("people").insert({ team_id: 1, name: "a", nme: 1 });',
    'await database.from("people").insert({ team_id: 1, name: "a", id: 1 });',
    'await database.from("people").insert({ team_id: 1, name: "a", feels: "glad" });',
    'await database.from("people").update({ nme: "a" });',
    '(await database.from("teams").select("id, nme")).data![0].nme.length;',
    '(await database.from("teams").select("id")).data![0].name;',
    'await database.rpc("add_tem", { a: 1 });',
    'await database.rpc("add_them", { c: 1 });',
    'await database.schema("annex").from("people").select();',
)


def test_tsc_takes_a_right_program_and_refuses_wrong_ones(
    module: Callable[[str], str], tmp_path: Path, npm: Callable[..., Path]
) -> None:
    text = module("typescript")
    modules = npm("typescript@5.9.3", "@supabase/postgrest-js@2.109.0")
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (tmp_path / "database.types.ts").write_text(text, encoding="utf-8")
    (tmp_path / "right.ts").write_text(RIGHT_TYPESCRIPT, encoding="utf-8")
    head = "\n".join(RIGHT_TYPESCRIPT.splitlines()[:5])
    (tmp_path / "wrong.ts").write_text("\n".join([head, *WRONG_TYPESCRIPT, "export {};"]), encoding="utf-8")
    flags = (
        "--noEmit",
        "--strict",
        "--module",
        "nodenext",
        "--target",
        "es2022",
        "--skipLibCheck",
        "--pretty",
        "false",
    )
    done = subprocess.run(
        ["node", str(modules / "typescript" / "bin" / "tsc"), *flags, "right.ts", "wrong.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    places = [line.split("(")[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert set(places) == {"wrong.ts"}, done.stdout
    refused = {
        int(line.split("(")[1].split(",")[0]) for line in done.stdout.splitlines() if line.startswith("wrong.ts(")
    }
    first = len(head.splitlines()) + 1
    for at, program in enumerate(WRONG_TYPESCRIPT, first):
        assert at in refused, (program, done.stdout)

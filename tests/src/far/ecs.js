// Holds documents, a JSON object a line, against Elastic's own list of the fields of ECS: each field is one of
// them, of its type, of the values that are allowed, and a list only where one may stand. What lies below
// `eaves` is our own. Arguments: folder of the package @elastic/ecs, file of documents.

const fs = require("fs");
const net = require("net");
const [folder, file] = process.argv.slice(2);
const { EcsFlat, EcsVersion } = require(folder);

const isInteger = (value) => typeof value === "number" && Number.isInteger(value);
const isText = (value) => typeof value === "string";
const TYPES = {
  keyword: isText,
  constant_keyword: isText,
  wildcard: isText,
  match_only_text: isText,
  text: isText,
  version: isText,
  long: isInteger,
  float: (value) => typeof value === "number",
  scaled_float: (value) => typeof value === "number",
  boolean: (value) => typeof value === "boolean",
  date: (value) => isText(value) && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value),
  ip: (value) => isText(value) && net.isIP(value) > 0,
  object: (value) => Object.values(value).every((one) => ["string", "number", "boolean"].includes(typeof one)),
  geo_point: (value) => typeof value.lat === "number" && typeof value.lon === "number",
};

let wrong = 0;
let fields = 0;
function say(name, what) {
  wrong += 1;
  console.log(`${name}: ${what}`);
}

function check(name, value) {
  const field = Object.values(EcsFlat).find((field) => field.flat_name === name);
  if (field === undefined) {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      Object.entries(value).forEach(([key, below]) => check(`${name}.${key}`, below));
    } else {
      say(name, "is no field of ECS");
    }
    return;
  }
  fields += 1;
  const listed = field.normalize.includes("array");
  if (Array.isArray(value) !== listed) {
    say(name, listed ? "is no list" : "is a list");
    return;
  }
  const allowed = (field.allowed_values || []).map((one) => one.name);
  for (const one of listed ? value : [value]) {
    const fits = TYPES[field.type];
    if (fits === undefined || !fits(one)) say(name, `${JSON.stringify(one)} is no ${field.type}`);
    if (allowed.length > 0 && !allowed.includes(one)) say(name, `${one} is not allowed`);
  }
}

for (const line of fs.readFileSync(file, "utf8").split("\n").filter((line) => line !== "")) {
  const document = JSON.parse(line);
  if (!String(document.ecs.version).startsWith(`${EcsVersion.split(".")[0]}.`)) say("ecs.version", document.ecs.version);
  Object.entries(document).filter(([key]) => key !== "eaves").forEach(([key, value]) => check(key, value));
  for (const name of Object.keys(EcsFlat)) {
    const field = EcsFlat[name];
    if (field.required && name.split(".").reduce((at, step) => at && at[step], document) === undefined && document[name] === undefined) {
      say(field.flat_name, "is missing");
    }
  }
}
console.log(`${fields} fields of ECS ${EcsVersion}`);
process.exit(wrong === 0 && fields > 0 ? 0 : 1);

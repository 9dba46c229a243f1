// A stock grpc-js client: makes one call by our service config, and says on one line how it ended.
// Arguments: folders of protos (with : between), address, file of the service config, "Service/Method".
const fs = require("fs");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [protos, address, config, path] = process.argv.slice(2);
const [service, method] = path.split("/");
const files = [`tidegate/v1/${service.toLowerCase()}.proto`];
const { v1 } = grpc.loadPackageDefinition(
  loader.loadSync(files, { includeDirs: protos.split(":") }),
).tidegate;
const client = new v1[service](address, grpc.credentials.createInsecure(), {
  "grpc.service_config": fs.readFileSync(config, "utf8"),
  "grpc.enable_http_proxy": 0,
});

function say(ending, trailers) {
  const pairs = {};
  for (const key of Object.keys(trailers.getMap())) {
    const value = trailers.get(key)[0];
    pairs[key] = Buffer.isBuffer(value) ? value.toString("base64") : value;
  }
  console.log(JSON.stringify({ ...ending, trailers: pairs }));
  client.close();
}

let failure = null;
client[method]({ text: "positive" }, { deadline: Date.now() + 10000 }, (error) => {
  failure = error;
  if (error) say({ code: error.code, message: error.details }, error.metadata);
}).on("status", (status) => {
  if (!failure && status.code === 0) say({ code: 0, message: "" }, status.metadata);
});

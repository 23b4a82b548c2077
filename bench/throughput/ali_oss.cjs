// ali-oss against the stand-in: node ali_oss.cjs MODULE URL TASKS CONCURRENCY ID SECRET REGION prints CPU seconds.
const [module_, url, tasks, concurrency, accessKeyId, accessKeySecret, region] = process.argv.slice(2);
const OSS = require(module_);
const { Agent } = require("http");

const endpoint = new URL(url);
const client = new OSS({
  accessKeyId, accessKeySecret, region: `oss-${region}`, endpoint: endpoint.href, bucket: "photos",
  authorizationV4: true, cname: false, secure: false, agent: new Agent({ keepAlive: true, maxSockets: Number(concurrency) }),
});

const key = (number) => `in/${String(number).padStart(7, "0")}.jpg`;
let next = 0;

async function consume() {
  while (next < Number(tasks)) {
    const number = next++;
    await client.processObjectSave(key(number), `small/${key(number)}`, "image/resize,w_100", "renditions");
  }
}

const began = process.cpuUsage();
Promise.all(Array.from({ length: Number(concurrency) }, consume)).then(() => {
  const used = process.cpuUsage(began);
  console.log((used.user + used.system) / 1e6);
}, (error) => { console.error(error); process.exit(1); });

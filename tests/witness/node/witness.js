// ali-oss, driven by lines of JSON: {"call": name, "args": [...]} is answered by {"found": ...} or {"refused": {...}}.
// The first line is the options of its client. Bodies travel in base64.
'use strict';

const readline = require('node:readline');
const OSS = require('ali-oss');

const inBase64 = (data) => Buffer.from(data).toString('base64');
const bodyOf = async (client, key, options) => inBase64((await client.get(key, options)).content);

const withBytes = (arg) => (arg && arg.base64 !== undefined ? Buffer.from(arg.base64, 'base64') : arg);

const calls = {
  // Any method of the client, with what it answers but for the HTTP of it; bytes are {"base64": ...} both ways.
  invoke: async ({ client, presigner }, method, ...args) => {
    // To a number it sends a Host header of no bucket, too, where none is meant.
    const chosen = method === 'listBuckets' ? presigner : client;
    const { res, content, ...found } = await chosen[method](...args.map(withBytes));
    return { ...found, headers: res.headers, ...(content ? { content: { base64: inBase64(content) } } : {}) };
  },
  put: async ({ client }, key, body) => void (await client.put(key, Buffer.from(body, 'base64'))),
  get: ({ client }, key) => bodyOf(client, key),
  getPart: ({ client }, key, first, last) => bodyOf(client, key, { headers: { Range: `bytes=${first}-${last}` } }),
  getProcessed: ({ client }, key, process) => bodyOf(client, key, { process }),
  head: async ({ client }, key) => {
    const { headers } = (await client.head(key)).res;
    return { size: Number(headers['content-length']), etag: headers.etag };
  },
  delete: async ({ client }, key) => void (await client.delete(key)),
  list: async ({ client }, query) => {
    const page = await client.listV2(query);
    const keys = (page.objects || []).map((object) => object.name);
    return { keys, prefixes: page.prefixes || [], next: page.isTruncated ? page.nextContinuationToken : '' };
  },
  presign: async ({ presigner }, method, key) =>
    presigner.options.authorizationV4
      ? presigner.signatureUrlV4(method, 600, {}, key)
      : presigner.signatureUrl(key, { method, expires: 600 }),
  saveas: async ({ client }, source, target, process, bucket) => {
    const { res } = await client.processObjectSave(source, target, process, bucket);
    if (res.status !== 200) throw await client.requestError(res); // this one call leaves it to its caller
    return JSON.parse(String(res.data));
  },
};

const refusalOf = (error) => {
  if (!error.status || error.status < 0) throw error; // not of the service
  return { http: error.status, code: error.code, message: error.message, ec: error.ecCode || '' };
};

const main = async () => {
  let clients;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const given = JSON.parse(line);
    if (!clients) {
      // To a number for a host it sends the bucket in the Host header, which a URL cannot say: it must stand in the path.
      const endpoint = given.endpoint.replace('127.0.0.1', 'localhost');
      clients = { client: new OSS(given), presigner: new OSS({ ...given, endpoint, sldEnable: true }) };
      continue;
    }
    let answer;
    try {
      answer = { found: (await calls[given.call](clients, ...given.args)) ?? null };
    } catch (error) {
      answer = { refused: refusalOf(error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
};

main();

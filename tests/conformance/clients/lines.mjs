// Makes a client's code callable: one JSON object a line in, {call, given}, and one out, {value} or {error}. The
// other end is tests/support/node_client.py.
import {createInterface} from "node:readline";

export async function answer(operations, {call, given}) {
  try {
    return {value: (await operations[call](given)) ?? null};
  } catch (error) {
    return {error: {name: error.name, message: error.message, status: error.status ?? null, code: error.code ?? null}};
  }
}

export async function serve(operations) {
  console.log = console.error; // libraries may write there; the other end reads stdout
  for await (const line of createInterface({input: process.stdin})) {
    process.stdout.write(JSON.stringify(await answer(operations, JSON.parse(line))) + "\n");
  }
}

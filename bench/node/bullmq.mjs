// Adds jobs to a BullMQ queue, one by one, with a bounded number in flight, and prints how long it took.
//
//     node bullmq.mjs PORT JOBS IN_FLIGHT

import { Queue } from "bullmq";

const [port, jobs, inFlight] = process.argv.slice(2).map(Number);
const queue = new Queue("line", { connection: { host: "127.0.0.1", port } });
await queue.waitUntilReady();

let next = 0;
const adder = async () => {
  while (next < jobs) {
    const buyer = (next++).toString(16).padStart(16, "0");
    // The id makes a buyer's second job the same as the first.
    await queue.add("buyer", { units: 1 }, { jobId: `b${buyer}` });
  }
};
const started = performance.now();
await Promise.all(Array.from({ length: inFlight }, adder));
const seconds = (performance.now() - started) / 1000;
const waiting = await queue.getWaitingCount();
await queue.close();
if (waiting !== jobs) {
  console.error(`${waiting} of ${jobs} jobs wait`);
  process.exitCode = 1;
}
console.log(JSON.stringify({ jobs: waiting, seconds }));

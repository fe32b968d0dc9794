// node send.mjs REFERENCE PHONE AMOUNT: airtime for one phone, over HTTP, with Node 18 or later.
const [reference, phone, amount] = process.argv.slice(2);
const { AIRTIME_URL, AIRTIME_TOKEN } = process.env;

// send hands a job in until it is held. Its reference makes any number of tries one payment.
async function send(job) {
  for (let wait = 1; wait <= 16; wait *= 2) {
    try {
      const answer = await fetch(`${AIRTIME_URL}/v1/disbursals`, {
        method: "POST",
        headers: { Authorization: `Bearer ${AIRTIME_TOKEN}`, "Content-Type": "application/json" },
        body: JSON.stringify(job),
        signal: AbortSignal.timeout(60_000),
      });
      const body = await answer.text();
      if (answer.ok) return body;
      if (answer.status !== 429 && answer.status !== 503) {
        console.error(`refused (${answer.status}): ${body}`);
        process.exit(1);
      }
    } catch (lost) {
      console.error(`no answer (${lost.message}): asking again`);
    }
    await new Promise((resolve) => setTimeout(resolve, wait * 1000));
  }
  console.error("not confirmed: send the same job again, with the same reference");
  process.exit(1);
}

console.log(await send({ reference, recipients: [{ phone_number: phone, amount }] }));

"""send.py REFERENCE PHONE AMOUNT: airtime for one phone, over HTTP, with Python 3 alone."""
import json
import os
import sys
import time
from urllib import error, request


def send(job):
    """Hand a job in until it is held. Its reference makes any number of tries one payment."""
    call = request.Request(
        os.environ["AIRTIME_URL"] + "/v1/disbursals",
        data=json.dumps(job).encode(),
        headers={"Authorization": "Bearer " + os.environ["AIRTIME_TOKEN"],
                 "Content-Type": "application/json"})
    for wait in (1, 2, 4, 8, 16):
        try:
            with request.urlopen(call, timeout=60) as answer:
                return json.load(answer)
        except error.HTTPError as refusal:
            if refusal.code not in (429, 503):
                raise SystemExit(f"refused ({refusal.code}): {refusal.read().decode()}")
        except OSError as lost:
            print(f"no answer ({lost}): asking again", file=sys.stderr)
        time.sleep(wait)
    raise SystemExit("not confirmed: send the same job again, with the same reference")


reference, phone, amount = sys.argv[1:]
print(send({"reference": reference,
            "recipients": [{"phone_number": phone, "amount": amount}]}))

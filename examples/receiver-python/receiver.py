"""A receiver of webhooks that believes only what is signed and does each event once. Its store of known ids is a
file; use a table of your database instead, in the transaction that does the work.

    pip install -r requirements.txt
    WEBHOOK_SECRET=whsec_... PORT=3000 python receiver.py
"""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

MAX_BYTES = 10 * 1024 * 1024
PORT = int(os.environ.get("PORT", "3000"))
SEEN_FILE = os.environ.get("SEEN_FILE", "seen-ids.txt")

webhook = Webhook(os.environ["WEBHOOK_SECRET"])  # as the registration of the webhook showed it
seen_file = open(SEEN_FILE, "a+", encoding="utf-8")
seen_file.seek(0)
seen = set(seen_file.read().split("\n"))
one_at_a_time = threading.Lock()


def work(event):
    """Your work goes here. When it raises, the event is answered with 500 and comes again."""
    print(f"event {json.dumps(event)}", flush=True)


def handle(body, headers):
    """The status to answer: 200 for what was done, now or before."""
    try:
        # The bytes as they came: parsed and written again they would not verify.
        event = webhook.verify(body, {name.lower(): value for name, value in headers.items()})
    except WebhookVerificationError as error:
        print(f"refused: {error}", flush=True)
        return 401
    event_id = headers["webhook-id"]
    with one_at_a_time:
        if event_id in seen:
            print(f"already had {event_id}", flush=True)
            return 200
        work(event)
        # Known only when it is done and on disk: a crash before this line brings it again, one after it does not.
        seen_file.write(event_id + "\n")
        seen_file.flush()
        os.fsync(seen_file.fileno())
        seen.add(event_id)
    return 200


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("content-length") or 0)
        if length > MAX_BYTES:
            self.close_connection = True
            status = 413
        else:
            body = self.rfile.read(length)
            try:
                status = handle(body, self.headers)
            except Exception as error:
                print(f"failed: {error!r}", flush=True)
                status = 500
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_args):
        """What matters is printed above."""


server = ThreadingHTTPServer(("127.0.0.1", PORT), Receiver)
server.daemon_threads = True
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print(f"listening on port {PORT}", flush=True)
server.serve_forever()

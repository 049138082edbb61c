"""A receiver of webhooks that verifies with the library standardwebhooks, as its documentation shows.

It prints {"port": N}, reads the secret as a line of standard input, and then answers requests; those that come before wait. It prints
one JSON object per request, and goes on until its standard input ends. The first request is answered 503, as by a receiver that is
not up yet.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

secret = ""
busy = threading.Lock()
requests = 0


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        global requests
        body = self.rfile.read(int(self.headers["content-length"]))
        with busy:
            requests += 1
            status, told = 204, {"id": self.headers["webhook-id"], "path": self.path}
            try:
                message = Webhook(secret).verify(body, dict(self.headers))
                told |= {"type": message["type"], "prediction_id": message["data"]["prediction_id"], "label": message["data"].get("label")}
            except WebhookVerificationError as e:
                status, told["error"] = 401, str(e)
            if requests == 1 and status == 204:
                status = 503
            print(json.dumps(told | {"status": status}), flush=True)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(json.dumps({"port": server.server_port}), flush=True)
secret = sys.stdin.readline().strip()
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
server.shutdown()

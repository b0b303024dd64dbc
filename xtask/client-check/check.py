"""The server as clients ask it that nobody here wrote: `python xtask/client-check/check.py BINARY`, after
`pip install -r xtask/client-check/requirements.txt`. MQTT needs the program mosquitto, and is skipped without it.

The clients are the packages openai and websockets, the parsers of prometheus_client, a receiver of webhooks on Python's own HTTP
server, and paho-mqtt at a mosquitto that checks passwords."""

import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import openai
import requests
import websockets.sync.client
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

ROOT = pathlib.Path(__file__).resolve().parents[2]
PICTURE = ROOT / "fixtures/pictures/exif_long.jpg"
SECRET = "a secret of the webhook"
faults = []


def expect(holds, what):
    if not holds:
        faults.append(what)


def within(seconds, holds):
    """Whether something holds before so many seconds are over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.05)
    return False


def started(binary, folder, *further):
    """A server on a port of its own, and its address."""
    arguments = [binary, "serve", "--listen", "127.0.0.1:0", "--state", folder, "-q", *further]
    server = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    return server, server.stdout.readline().strip()


def conversations(address):
    """The package openai: whole and word by word, with a picture, and its errors."""
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
    [model] = [model.id for model in client.models.list().data]
    picture = "data:image/jpeg;base64," + base64.b64encode(PICTURE.read_bytes()).decode()
    content = [{"type": "text", "text": "What now?"}, {"type": "image_url", "image_url": {"url": picture}}]
    asked = {
        "model": model,
        "messages": [{"role": "system", "content": "Help with the work."}, {"role": "user", "content": content}],
        "max_tokens": 16,
        "temperature": 0,
    }
    whole = client.chat.completions.create(**asked)
    said = whole.choices[0].message.content
    expect(whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens, f"usage: {whole.usage}")
    parts = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    words = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
    expect(words.strip() == said, f"streamed {words!r}, whole {said!r}")
    expect(parts[-1].usage == whole.usage, f"usage: {parts[-1].usage}, whole {whole.usage}")
    for change, error in [
        ({"model": "another"}, openai.NotFoundError),
        ({"n": 2}, openai.BadRequestError),
        ({"tools": [{"type": "function", "function": {"name": "x"}}]}, openai.BadRequestError),
    ]:
        try:
            client.chat.completions.create(**{**asked, **change})
            expect(False, f"{change}: expected a refusal")
        except error as refused:
            expect(refused.body and refused.body.get("message"), f"{change}: {refused.body}")


def push(address, session, number):
    path = f"{address}/v1/streaming/sessions/{session}/frames"
    answer = requests.post(path, params={"time": number / 2}, data=PICTURE.read_bytes(), timeout=60)
    expect(answer.status_code == 200, f"a frame: {answer.text}")


def opened(address, **order):
    every = {"talk": "every", "settings": {"stream.every.seconds": 1}}
    return requests.post(f"{address}/v1/streaming/sessions", json={**every, **order}, timeout=60).json()["id"]


def realtime(address):
    """The package websockets: a session over one connection, with a large message in many pieces."""
    to = address.replace("http", "ws", 1) + "/v1/realtime"
    with websockets.sync.client.connect(to, subprotocols=["realtime"], max_size=None) as line:

        def until(kind):
            while True:
                event = json.loads(line.recv(timeout=60))
                if event["type"] in (kind, "error"):
                    expect(event["type"] == kind, f"WebSocket: {event}")
                    return event

        expect(until("session.created")["session"]["id"] is None, "a session is open before it is asked for")
        line.send(json.dumps({"type": "session.update", "session": {"talk": "every", "settings": {"stream.every.seconds": 0.5}}}))
        session = until("session.updated")["session"]["id"]
        picture = PICTURE.read_bytes()
        line.send(picture)
        until("prospect.frame")
        # The same picture, with blanks around the JSON up to nearly 16 MiB, a piece at a time.
        image = json.dumps({"type": "input_frame.append", "image": base64.b64encode(picture).decode()})
        line.send([image] + [" " * (1 << 20)] * 15)
        expect(until("prospect.frame")["index"] == 1, "the second frame")
        line.ping().wait(60)
    gone = lambda: requests.get(f"{address}/v1/streaming/sessions/{session}", timeout=60).status_code == 404
    expect(within(20, gone), "the session stays behind its WebSocket")


def figures(address, frames):
    """Both of prometheus_client's parsers read the figures, and find the frames."""
    answer = requests.get(f"{address}/metrics", timeout=60)
    for name, parse in [("OpenMetrics", open_metrics), ("text", plain_text)]:
        families = {family.name: family for family in parse(answer.text)}
        samples = [sample for family in families.values() for sample in family.samples]
        counted = [sample.value for sample in samples if sample.name == "prospect_frames_total"]
        expect(counted == [frames], f"{name}: frames {counted}, expected {frames}")
        expect(any(family.type == "histogram" for family in families.values()), f"{name}: no histogram")
    expect("openmetrics" in answer.headers["content-type"], answer.headers["content-type"])


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes webhooks; the first one fails, so that it comes again."""

    taken = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.taken.append((dict(self.headers.items()), body))
        self.send_response(503 if len(self.taken) == 1 else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


def webhooks():
    expect(within(30, lambda: len(Receiver.taken) >= 3), f"{len(Receiver.taken)} webhooks came")
    ids = []
    for headers, body in Receiver.taken:
        headers = {name.lower(): value for name, value in headers.items()}
        digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        expect(headers["x-prospect-signature"] == f"sha256={digest}", f"the signature {headers}")
        reply = json.loads(body)
        expect(abs(time.time() - reply["sent_at"]) < 300 and reply["reply"] is not None, f"webhook: {reply}")
        expect(base64.b64decode(reply["image"]["data"])[:2] == b"\xff\xd8", "the webhook's picture is no JPEG")
        ids.append(headers["x-prospect-id"])
    expect(ids[0] == ids[1] and len(set(ids)) == len(ids) - 1, f"one webhook comes twice: {ids}")


def broker(folder):
    """A mosquitto that knows one user, its port, and the file with the user."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    passwords, settings, user = (pathlib.Path(folder, name) for name in ("passwords", "mosquitto.conf", "user"))
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "prospect", "word"], check=True, stderr=subprocess.DEVNULL)
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\nuser root\n")
    user.write_text("prospect\nword\n")
    running = subprocess.Popen(["mosquitto", "-c", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    within(10, lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    return running, port, user


def listener(port):
    """A client of the broker; its messages by topic, the last of each."""
    import paho.mqtt.client as mqtt

    heard = {}
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.username_pw_set("prospect", "word")
    client.on_message = lambda _, __, message: heard.__setitem__(message.topic, message.payload.decode())
    client.on_connect = lambda *_: client.subscribe("#")
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client, heard


def messages(heard, session, server):
    """What Home Assistant needs: a discovery message whose topics are there, and the last will."""
    reply = f"prospect/sessions/{session}/reply"
    expect(within(20, lambda: reply in heard), f"no reply over MQTT: {list(heard)}")
    expect(json.loads(heard.get(reply, "{}")).get("session") == session, f"the reply {heard.get(reply)}")
    configs = {topic: json.loads(text) for topic, text in heard.items() if topic.startswith("homeassistant/") and text}
    ours = [config for config in configs.values() if session in json.dumps(config)]
    expect(len(ours) == 1, f"discovery: {configs}")
    for config in ours:
        # The keys without which Home Assistant shows no such sensor.
        expect(config["unique_id"] and config["device"]["identifiers"] and config["name"] is not None, f"{config}")
        expect(config["state_topic"] in heard and config["json_attributes_topic"] in heard, f"topics: {config}")
        expect(config["availability_topic"] == "prospect/status", f"{config}")
    expect(heard.get("prospect/status") == "online", f"status {heard.get('prospect/status')}")
    server.kill()
    expect(within(60, lambda: heard.get("prospect/status") == "offline"), "the last will does not come")


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        secret = pathlib.Path(folder, "secret")
        secret.write_text(SECRET)
        further = ["--webhook", f"http://127.0.0.1:{receiver.server_port}/", "--webhook-secret-file", str(secret)]
        mosquitto = None
        if shutil.which("mosquitto"):
            mosquitto, port, user = broker(folder)
            further += ["--mqtt", f"mqtt://127.0.0.1:{port}", "--mqtt-user-file", str(user)]
            _, heard = listener(port)
        else:
            print("clients (Python): MQTT was skipped: expected mosquitto")
        server, address = started(binary, str(pathlib.Path(folder, "state")), *further)
        try:
            conversations(address)
            realtime(address)
            session = opened(address)
            for number in range(6):
                push(address, session, number)
            figures(address, 8)
            webhooks()
            if mosquitto:
                messages(heard, session, server)
        finally:
            for process in filter(None, (server, mosquitto)):
                process.kill()
                process.wait()
    for fault in faults:
        print(f"clients (Python): {fault}", file=sys.stderr)
    print(f"clients (Python): {len(faults)} faults" if faults else "clients (Python): as expected")
    sys.exit(bool(faults))


main()

"""What the driver sees of a shop: pages over HTTP, read the way a page is read - its links, its form fields."""

import json
import re
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote, urlencode

Fields = dict[str, str]
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """One page."""

    status: int
    text: str

    def products(self) -> list[int]:
        return [int(number) for number in dict.fromkeys(re.findall(r'href="/products/(\d+)"', self.text))]

    def links(self, prefix: str) -> list[str]:
        found = re.findall(r'href="([^"]+)"', self.text)
        return [href.replace("&amp;", "&") for href in found if href.startswith(prefix)]

    def options(self, name: str) -> list[str]:
        block = re.search(rf'<select id="{name}".*?</select>', self.text, re.DOTALL)
        listed = re.findall(r'<option value="([^"]*)"', block.group(0)) if block else []
        return listed or re.findall(rf'<input type="radio" name="{name}" value="([^"]*)"', self.text)

    def value(self, name: str) -> str:
        found = re.search(rf'name="{name}"[^>]*? value="([^"]*)"', self.text)
        return found.group(1) if found else ""

    def codes(self) -> list[str]:
        return re.findall(r"<code>([^<]+)</code>", self.text)


@dataclass(slots=True)
class Browser:
    """One visitor's browser: a connection and its cookies."""

    port: int
    agent: str
    cookies: Fields = field(default_factory=dict)
    requests: int = 0
    errors: int = 0
    _connection: HTTPConnection | None = None

    def get(self, path: str, **query: object) -> Answer:
        return self.send("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, **fields: object) -> Answer:
        body = urlencode(fields).encode()
        return self.send("POST", path, body, "application/x-www-form-urlencoded")

    def post_json(self, path: str, text: str) -> Answer:
        return self.send("POST", path, text.encode(), "application/json")

    def upload(self, path: str, name: str, content: bytes) -> Answer:
        edge = "----shop-upload-7d1"
        disposition = f'Content-Disposition: form-data; name="file"; filename="{name}"'
        head = f"--{edge}\r\n{disposition}\r\nContent-Type: text/csv\r\n\r\n"
        body = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
        return self.send("POST", path, body, f"multipart/form-data; boundary={edge}")

    def send(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> Answer:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"user-agent": self.agent, "cookie": cookies}
        if kind:
            headers["content-type"] = kind
        status, text = self._exchange(method, quote(path, safe="/?&=%+,:"), body, headers)
        self.requests += 1
        self.errors += status == SERVER_ERROR
        return Answer(status, text)

    def _exchange(self, method: str, path: str, body: bytes | None, headers: Fields) -> tuple[int, str]:
        if self._connection is None:
            self._connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, HTTPException):
            self.close()
            return 0, ""
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return response.status, content.decode()

    def twin(self) -> "Browser":
        """A second tab: the same cookies, a connection of its own."""
        return Browser(self.port, self.agent, dict(self.cookies))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def typed(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)

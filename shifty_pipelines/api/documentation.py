"""The page that shows a service's OpenAPI document: Swagger UI from a package, for machines without internet."""

from importlib.resources import files

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

PAGE, ASSETS = "/docs", "/docs/assets"
OPENAPI = "/openapi.json"


def add_documentation(app: FastAPI) -> None:
    """Serve `/docs` with all that it loads from here."""

    def page(_: Request) -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=OPENAPI,
            title=app.title,
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
        )

    app.mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")))
    app.add_route(PAGE, page, include_in_schema=False)

"""The HTTP API, the sign-in pages, health checks and /metrics, in the same server as the screens.

On the top floor with `ui` and `cli`; the only room that imports FastAPI or Starlette.
"""

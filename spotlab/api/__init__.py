"""The HTTP API, the sign-in pages, health checks and /metrics, served beside the screens.

On the top floor with `ui` and `cli`; the only room that imports FastAPI or Starlette.
"""

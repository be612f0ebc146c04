"""Python client of the Lab API: `from spotlab.client import SpotLab`.

>>> with SpotLab("http://127.0.0.1:8501", token) as lab:  # doctest: +SKIP
...     for instance in lab.instances.list(account="acme"):
...         print(instance.name, lab.instances.evaluate(instance.instance_id).reason)
"""

from spotlab.client.client import SpotLab

__all__ = ["SpotLab"]

"""What models may ask of the broker."""

from __future__ import annotations

import pytest

from dasf_broker.domain.ports import BrokerPort, port
from dasf_broker.operations.model_methods import ModelMethods


def test_the_app_connects_the_operations() -> None:
    """When Django has started the app, models can publish."""
    assert isinstance(port.broker, ModelMethods)


def test_too_early_is_told() -> None:
    """Whoever publishes before the app is started reads what to do."""
    early = BrokerPort()
    with pytest.raises(RuntimeError, match=r"django\.setup\(\)"):
        early.broker  # noqa: B018 - it is read to fail
    early.connect(port.broker)
    assert early.broker is port.broker

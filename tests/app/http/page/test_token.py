"""The page of a service that asks for a token."""

from pathlib import Path

from app.http import tokens
from app.http.protocol import refusing
from app.main import create_app
from app.settings import Settings
from tests import synthetic
from tests.app.conftest import serving, wait_until_ready
from tests.app.http.page.conftest import Open

PNG = synthetic.encode(synthetic.chest(7, pneumonia=True))


def test_a_token_is_asked_for_and_used(opened: Open, settings: Settings, tmp_path: Path) -> None:
    token, line = tokens.new("reader")
    (tmp_path / "tokens").write_text(line)
    app = create_app(settings.model_copy(update={"tokens": tmp_path / "tokens"}))
    with serving(app, refusing(app)) as service:
        wait_until_ready(service)
        room = opened(f"{service.base_url}/")
        field = room.page.get_by_label("Token")
        assert not field.is_visible()

        room.drop({"x.png": PNG})
        assert "The service needs a token that it knows." in room.answer
        field.fill("wrong ключ")
        room.page.get_by_role("button", name="Try again").click()
        room.wait(1)
        assert "The service needs a token that it knows." in room.answer
        field.fill(f" {token}\t")
        room.page.get_by_role("button", name="Try again").click()
        room.wait(1)

        assert "PNEUMONIA" in room.answer
        assert room.pixels().any()
        room.page.reload()
        assert room.page.get_by_label("Token").input_value() == ""

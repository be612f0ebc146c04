"""The Models page: leaderboard, one card, actions, head to head and challengers."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from spotlab.features.capacity_model.registry import HORIZON
from spotlab.runtime import app_process
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.ui.models import queries
from tests.pages.conftest import Open, finish, said
from tests.support.bare_models import bare_model
from tests.support.cards import save_carded_model
from tests.support.lab import FLEET, small_lab
from tests.support.online_weights import learnt
from tests.support.people import ANA

NEW, OLD = "toy@1.1.0", "toy@1.0.0"
WEB_1 = FLEET[0][0]


@pytest.fixture(scope="session")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions; the newer one's card has figures."""
    folder = tmp_path_factory.mktemp("two-models")
    save_carded_model(folder, "1.1.0")
    return folder


@pytest.fixture
def rivals(tmp_path: Path, two_models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A lab whose champion is toy@1.1.0, with toy@1.0.0 as a candidate."""
    made = small_lab(tmp_path, two_models)
    monkeypatch.setattr(app_process, "lab", lambda: made)
    yield made
    made.close()


def decide(app: AppTest, move: str, reason: str) -> AppTest:
    """Select an action, enter a reason, and submit."""
    app.pills[0].select(move).run()
    app.text_input[0].set_value(reason)
    return app.button(key=f"FormSubmitter:decide {OLD}-{move}").click().run()


def test_the_headline_names_the_champion_and_its_quality(rivals: Lab, open_page: Open) -> None:
    app = open_page("models")
    assert app.title[0].value == (
        "1 champion: toy for interruptions next month (AUC 0.788, 0.757 to 0.817)"
    )
    table = app.dataframe[0].value.set_index("model")
    assert table.loc[NEW, "state"] == "★ champion"
    assert table.loc[OLD, "state"] == "○ candidate"
    assert table.loc[NEW, "brier"] == "0.185 (0.172 to 0.197)"
    assert table.loc[NEW, "baseline"] == "0.221 last bucket only"
    assert table.loc[OLD, ["auc", "reference", "baseline"]].isna().all(), "unknown, never 0"


def test_a_selected_row_opens_the_card(rivals: Lab, open_page: Open) -> None:
    app = open_page("models")
    chosen = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app.session_state["models-advisor"] = chosen
    app.run()
    assert app.title[0].value == (
        f"{NEW} for interruptions next month: AUC 0.788 (0.757 to 0.817), Brier 0.185, compared "
        "with 0.221 for last bucket only"
    )


def test_a_card_says_what_it_is_and_where_it_ends(rivals: Lab, open_page: Open) -> None:
    app = open_page("models", view="card", model=NEW)
    text = said(app)
    for part in (
        "Monthly interruption rate.",
        "It is not a forecast of capacity.",
        "needs calibrating again",
        "14,518 rows, base rate 46 %",
        "To reject, archive or disable it, make another version champion first.",
    ):
        assert part in text
    licences = [frame.value for frame in app.dataframe if "licence" in frame.value]
    assert list(licences[0]["licence"]) == ["Apache-2.0"]


def test_a_card_without_figures_says_so(rivals: Lab, open_page: Open) -> None:
    app = open_page("models", view="card", model=OLD)
    assert not app.exception
    assert app.title[0].value.endswith("its card has no figures")
    assert "the quality of this model is unknown" in said(app)


def test_a_model_that_is_not_there_is_explained(rivals: Lab, open_page: Open) -> None:
    app = open_page("models", view="card", model="gone@1.0.0")
    assert not app.exception
    assert app.title[0].value.startswith(NEW), "the first card is shown instead"


def test_only_allowed_moves_are_offered_and_each_says_what_it_changes(
    rivals: Lab, open_page: Open
) -> None:
    app = open_page("models", view="card", model=OLD)
    offered = list(app.pills[0].options)
    assert offered == ["Graduate", "Reject", "Archive", "Disable", "Assign to an instance"]
    app.pills[0].select("Reject").run()
    assert f"No evaluation uses {OLD} any more" in said(app)


def test_a_move_needs_a_reason_and_leaves_it_in_the_history(rivals: Lab, open_page: Open) -> None:
    app = open_page("models", view="card", model=OLD)
    decide(app, "Graduate", " ")
    assert "enter a reason first" in said(app)
    assert Services(rivals, ANA).models.find(OLD).state == "candidate"
    decide(app, "Graduate", "Better on newer data")
    assert Services(rivals, ANA).models.find(OLD).state == "graduated"
    assert app.toast[0].value == f"{OLD} is graduated."
    newest = Services(rivals, ANA).models.history(OLD)[0]
    assert (newest.actor, newest.reason) == ("local administrator", "Better on newer data")
    history = next(f.value for f in app.dataframe if "reason" in f.value)
    assert history["reason"].iloc[0] == "Better on newer data"


def test_another_champion_is_announced_before_it_is_made(rivals: Lab, open_page: Open) -> None:
    Services(rivals, ANA).models.act("graduate", OLD, "good")
    app = open_page("models", view="card", model=OLD)
    app.pills[0].select("Make champion").run()
    assert f"replacing {NEW}, which becomes graduated" in said(app)
    assert "4 instances without an assigned model will use it" in said(app)
    decide(app, "Make champion", "It did better in shadow")
    assert rivals.store.registry.champion("advisor").reference == OLD  # type: ignore[union-attr]
    assert f"**{OLD}** was champion for" in said(app)


def test_a_model_is_assigned_to_an_instance(rivals: Lab, open_page: Open) -> None:
    app = open_page("models", view="card", model=OLD)
    app.pills[0].select("Assign to an instance").run()
    app.selectbox(key=f"assign {OLD}").select(WEB_1).run()
    app.text_input[0].set_value("Try it on one")
    app.button(key=f"FormSubmitter:decide {OLD}-Assign to an instance").click().run()
    assert rivals.store.fleet.instance(WEB_1).model == OLD


def upload(app: AppTest, content: bytes) -> AppTest:
    app.session_state["upload"] = True
    app.run()
    app.file_uploader(key="upload-file").upload("model.zip", content, "application/zip").run()
    app.text_input(key="upload-reason").set_value("From a paper")
    app.button(key="upload-now").click().run()
    return finish(app, "upload-model")


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    return buffer.getvalue()


def test_an_upload_becomes_a_candidate(rivals: Lab, open_page: Open, tmp_path: Path) -> None:
    folder = save_carded_model(tmp_path / "made", "2.0.0")
    app = upload(open_page("models"), zipped(folder))
    assert "toy@2.0.0 is a candidate" in app.success[0].value
    assert Services(rivals, ANA).models.find("toy@2.0.0").state == "candidate"
    assert Services(rivals, ANA).models.history("toy@2.0.0")[0].reason == "Uploaded. From a paper"
    assert "toy@2.0.0" in list(app.run().dataframe[0].value["model"])


def choose_model(app: AppTest, booster: bytes, name: str) -> AppTest:
    app.session_state["upload"] = True
    app.run()
    return app.file_uploader(key="upload-file").upload(name, booster, "text/plain").run()


def test_a_bare_model_becomes_a_candidate_once_its_label_is_chosen(
    rivals: Lab, open_page: Open
) -> None:
    app = choose_model(open_page("models"), bare_model("advisor_bucket"), "My Model.txt")
    assert app.button(key="upload-now").disabled
    label = app.selectbox(key="upload-label")
    assert [option.partition(":")[0] for option in label.options] == ["high-bucket", "rate"]
    label.select("high-bucket").run()
    assert app.text_input(key="upload-name").placeholder == "my-model"
    app.button(key="upload-now").click().run()
    app = finish(app, "upload-model")
    assert "my-model@1.0.0 is a candidate" in app.success[0].value
    card = Services(rivals, ANA).models.find("my-model@1.0.0").card
    assert card["label"]["what"].startswith("P(next advisor bucket >= 3")


def test_a_bare_capacity_model_asks_for_the_horizons_between_those_it_says(
    rivals: Lab, open_page: Open
) -> None:
    booster = bare_model("available_1h", HORIZON)
    app = choose_model(open_page("models"), booster, "loss.txt")
    app.selectbox(key="upload-label").select("capacity-loss").run()
    horizons = app.multiselect(key="upload-horizons")
    assert (horizons.value, horizons.options) == (["0.5", "3"], ["0.5", "1", "2", "3"])
    horizons.select("1").run()
    app.text_input(key="upload-name").set_value("mine")
    app.text_input(key="upload-version").set_value("2.0.0")
    app.button(key="upload-now").click().run()
    app = finish(app, "upload-model")
    assert "mine@2.0.0 is a candidate for" in app.success[0].value
    card = Services(rivals, ANA).models.find("mine@2.0.0").card
    assert (card["task"], card["horizons_h"]) == ("capacity", [0.5, 1.0, 3.0])


@pytest.mark.parametrize(
    ("name", "horizon", "words"),
    [("Über", "1", "The name 'Über' is not valid"), ("mine", "an hour", "'an hour' is not a num")],
)
def test_a_wrong_answer_about_a_bare_model_is_named(
    rivals: Lab, open_page: Open, name: str, horizon: str, words: str
) -> None:
    app = choose_model(open_page("models"), bare_model("available_1h", HORIZON), "loss.txt")
    app.selectbox(key="upload-label").select("capacity-loss").run()
    app.session_state["upload-horizons"] = ["0.5", horizon, "3"]
    app.text_input(key="upload-name").set_value(name)
    app.button(key="upload-now").click().run()
    assert words in said(finish(app, "upload-model"))
    assert len(Services(rivals, ANA).models.entries()) == 2


@pytest.mark.parametrize("objective", ["regression", "poisson"])
def test_a_bare_model_of_another_objective_says_what_to_train(
    rivals: Lab, open_page: Open, objective: str
) -> None:
    app = choose_model(open_page("models"), bare_model("vcpu_count", objective=objective), "x.txt")
    app.selectbox(key="upload-label").select("rate").run()
    app.button(key="upload-now").click().run()
    text = said(finish(app, "upload-model"))
    assert f"Its objective is {objective}" in text
    assert "Train with objective=binary" in text


def test_a_pickle_is_refused_with_the_reason(rivals: Lab, open_page: Open) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.pkl", b"\x80\x04N.")
    app = upload(open_page("models"), buffer.getvalue())
    assert not app.exception
    assert "can run code when it is read" in said(app)
    app.session_state["all-history"] = True
    app.run()
    history = next(f.value for f in app.dataframe if "reason" in f.value)
    assert history["action"].iloc[0] == "refuse"
    assert len(Services(rivals, ANA).models.entries()) == 2


def test_a_challenger_in_shadow_is_compared_with_the_champion(rivals: Lab, open_page: Open) -> None:
    open_page("models")
    Services(rivals, ANA).models.act("graduate", OLD, "good")
    evaluate_instances(rivals)
    app = open_page("models", view="use")
    assert (
        app.title[0].value == f"In shadow, {OLD} agrees in 100 % of 4 decisions; 0 outcomes known"
    )
    assert list(app.dataframe[0].value["decided"]) == [4]


def test_what_is_not_known_yet_says_when_it_will_be(lab: Lab, open_page: Open) -> None:
    app = open_page("models", view="use")
    text = said(app)
    assert app.title[0].value == "No challenger has run in shadow yet; 0 outcomes known"
    assert "The first will be known in 24.0 h" in text
    assert "24 h after decision #1" in text
    assert "drift needs 5 earlier days" in text
    app.button(key="settle").click().run()
    finish(app, "settle")
    assert "not known yet" in app.toast[0].value


def test_weights_of_live_forecasts_are_shown_by_horizon_and_pool(lab: Lab, open_page: Open) -> None:
    assert "turn on launch probes" in said(open_page("models", view="use"))
    lab.store.online_weights.save(learnt(lab.reader.active(), lab.clock.now()), b"")
    queries.forget()
    app = open_page("models", view="use")
    assert not app.exception
    assert "capacity-lgbm@1.0.1 is behind since" in app.warning[0].value
    of_task, of_pools = (each.value for each in app.dataframe[-2:])
    assert of_task["expert"].iloc[0] == "▸ combined online (used)"
    assert set(of_task["expert"]) >= {"capacity-lgbm@1.0.1", "base rate (climatology)"}
    assert list(of_task["weight"].iloc[1:]) == [0.15] * 6 + [0.1]
    assert list(of_pools["rows"]) == [4259]
    app.selectbox(key="pick horizon").select("0.25").run()
    text = said(app)
    assert "probes are too far apart for it" in text
    assert app.dataframe[-2].value["loss"].isna().all()


def test_one_model_has_no_rival(lab: Lab, open_page: Open) -> None:
    app = open_page("models", view="versus")
    assert not app.exception
    assert "needs two models of one task" in said(app)
    assert app.button(key="versus-now").disabled


@pytest.mark.shared_data
def test_two_models_meet_on_recorded_files(
    rivals: Lab, open_page: Open, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTLAB_SHARED_DATA", str(shared_data))
    app = open_page("models", view="versus", before="advisor/2024-02-28.json.gz")
    assert app.title[0].value == f"{NEW} against {OLD}: 2 models, not compared yet"
    app.button(key="versus-now").click().run()
    finish(app, "versus")
    assert app.title[0].value.startswith(
        f"{NEW} and {OLD} do not differ significantly: Brier 0.000"
    )
    assert "Both models make the same prediction for every row." in said(app)
    assert "AUC" in list(app.dataframe[0].value["metric"])


def test_no_model_at_all_says_what_to_do(
    tmp_path: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    made = small_lab(tmp_path / "home", tmp_path / "none")
    monkeypatch.setattr(app_process, "lab", lambda: made)
    app = open_page("models")
    assert not app.exception
    assert app.title[0].value == "No champion yet: 0 versions"
    assert "No model is registered" in said(app)
    made.close()

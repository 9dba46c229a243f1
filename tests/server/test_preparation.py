import asyncio

import pytest
from support.scripted_model import ByteTokenizer, ScriptedModel
from support.waiting import eventually

from tidegate.server.builtin_profiles import builtin_profiles
from tidegate.server.engine.engine import Engine
from tidegate.server.engine.sequence import EngineError
from tidegate.server.preparation import Preparations
from tidegate.server.priors import Priors
from tidegate.server.profile import ProfileError
from tidegate.server.prompts import PromptWriter

SENTIMENT = builtin_profiles("chatml")["sentiment"]
# The fixed part, then each calibration text.
SEQUENCES = 1 + len(SENTIMENT.calibration)


def make_engine(model: ScriptedModel, context_tokens: int = 2048) -> Engine:
    return Engine(
        model,
        ByteTokenizer(),
        model_name="scripted",
        slots=4,
        reserved=4,
        context_tokens=context_tokens,
    )


@pytest.fixture
def model():
    return ScriptedModel(lean=3.0)


@pytest.fixture
async def engine(model):
    engine = make_engine(model)
    engine.start()
    yield engine
    model.release()
    await engine.stop()


@pytest.fixture
def preparations(engine):
    return Preparations(engine, PromptWriter(engine.tokenizer, "chatml"), Priors(None))


async def test_calls_at_once_prepare_a_profile_once(engine, preparations):
    prepared = await asyncio.gather(*(preparations.prepare(SENTIMENT) for _ in range(20)))
    assert all(one is prepared[0] for one in prepared)
    assert prepared[0].prior == pytest.approx((1.5, -1.5))
    assert engine.load().finished == SEQUENCES


async def test_a_changed_profile_is_prepared_anew(engine, preparations):
    await preparations.prepare(SENTIMENT)
    await preparations.prepare(SENTIMENT.model_copy(update={"calibration": ("无",)}))
    # The fixed part is the same, and it is kept already.
    assert engine.load().finished == SEQUENCES + 1


async def test_a_caller_that_goes_away_leaves_the_work_to_the_others(model, engine, preparations):
    model.hold()
    first, second = (asyncio.ensure_future(preparations.prepare(SENTIMENT)) for _ in range(2))
    await eventually(lambda: engine.load().waiting + engine.load().running > 0)
    first.cancel()
    model.release()
    assert (await second).labels.questions == {(): (0xE6, 0xE8)}
    assert first.cancelled()
    assert engine.load().finished == SEQUENCES


async def test_a_failed_preparation_is_tried_again(model, preparations):
    model.failures = 1
    with pytest.raises(EngineError):
        await preparations.prepare(SENTIMENT)
    assert (await preparations.prepare(SENTIMENT)).labels


async def test_a_profile_larger_than_the_context_is_told_as_such(model):
    engine = make_engine(model, context_tokens=50)
    preparations = Preparations(engine, PromptWriter(engine.tokenizer, "chatml"), Priors(None))
    with pytest.raises(ProfileError, match="a slot holds 50"):
        await preparations.prepare(SENTIMENT)

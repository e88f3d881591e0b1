//===- EngineTest.cpp - continuous batching over a session's sequences ----===//
//
// The model is greedyModel() of FakeModel.c: 7 tokens, the most probable one is
// the sum of all tokens so far, modulo 7. Its logits overflow when that sum
// passes 88, which is how a request fails here; sums that are multiples of 7 go
// on with zeros for ever.
//
//===----------------------------------------------------------------------===//

#include "lib/Serving/Engine.h"

#include "FakeArtifact.h"
#include "hybrid/Generation/Error.h"

#include <gtest/gtest.h>

using namespace hybrid;
using namespace hybrid::serving;
using Ids = std::vector<int64_t>;

namespace {

const Ids endless = {3, 4};

EngineRequest request(const Ids &prompt, int64_t tokens) {
  EngineRequest result;
  result.prompt = prompt;
  result.options.maxTokens = tokens;
  return result;
}

/// What the model's definition gives.
Ids expected(const Ids &prompt, int64_t tokens) {
  int64_t sum = 0;
  for (int64_t id : prompt)
    sum += id;
  Ids ids;
  for (int64_t i = 0; i < tokens; ++i) {
    ids.push_back(sum % 7);
    sum += ids.back();
  }
  return ids;
}

struct Outcome {
  Ids ids;
  StopReason reason = StopReason::None;
  std::string error;
};

/// Waits for the ends of a mailbox's completions.
std::vector<Outcome> outcomes(Mailbox &mailbox, size_t count) {
  std::vector<Outcome> results(count);
  for (size_t open = count; open;) {
    Event event;
    if (!mailbox.next(event, std::chrono::seconds(20))) {
      ADD_FAILURE() << "nothing comes";
      break;
    }
    Outcome &result = results[event.choice];
    EXPECT_EQ(result.reason, StopReason::None) << "an event after the last";
    result.ids.insert(result.ids.end(), event.ids.begin(), event.ids.end());
    result.reason = event.reason;
    result.error = event.error;
    open -= event.reason != StopReason::None;
  }
  return results;
}

class EngineTest : public testing::Test {
protected:
  EngineTest()
      : module(
            test::open(test::makeArtifact("engine.hyb", test::greedyModel()))),
        model(module.get()) {
    options.slots = 4;
    options.queue = 8;
    options.piece = 2;
    options.threads = 1;
  }

  void start() { engine.reset(new Engine(model, nullptr, options)); }

  std::shared_ptr<Mailbox> submit(std::vector<EngineRequest> requests) {
    auto mailbox = std::make_shared<Mailbox>();
    EXPECT_EQ(engine->submit(std::move(requests), mailbox),
              Engine::Admission::Accepted);
    return mailbox;
  }

  void waitFor(const std::function<bool(const EngineMetrics &)> &condition) {
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition(engine->metrics())) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "does not happen";
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  void expectIdle() {
    waitFor([](const EngineMetrics &now) { return !now.busy && !now.waiting; });
  }

  test::ModulePtr module;
  LanguageModel model;
  EngineOptions options;
  std::unique_ptr<Engine> engine;
};

} // namespace

TEST_F(EngineTest, CompletesMoreRequestsThanSlots) {
  start();
  std::vector<Ids> prompts;
  std::vector<EngineRequest> requests;
  for (int64_t i = 0; i < 12; ++i) {
    prompts.push_back(Ids(size_t(i % 5 + 1), i % 3 + 1));
    requests.push_back(request(prompts.back(), i % 4 + 1));
  }
  const auto mailbox = submit(std::move(requests));
  const std::vector<Outcome> results = outcomes(*mailbox, 12);
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(results[i].ids, expected(prompts[i], int64_t(i) % 4 + 1));
    EXPECT_EQ(results[i].reason, StopReason::Length);
  }
  expectIdle();
  const EngineMetrics metrics = engine->metrics();
  EXPECT_EQ(metrics.completed, 12u);
  EXPECT_GT(metrics.decodeRows, metrics.decodeSteps);
}

TEST_F(EngineTest, StopsAtEndTokens) {
  start();
  EngineRequest wanted = request({1, 2}, 50);
  wanted.options.eos = {expected({1, 2}, 3)[2]};
  const Outcome result = outcomes(*submit({wanted}), 1)[0];
  EXPECT_EQ(result.reason, StopReason::Eos);
  EXPECT_EQ(result.ids, expected({1, 2}, 3));
}

TEST_F(EngineTest, FreesTheSlotsOfThoseWhoLeave) {
  start();
  const auto gone =
      submit({request(endless, INT64_MAX), request(endless, INT64_MAX)});
  const auto other = submit({request({1}, 3)});
  waitFor([](const EngineMetrics &now) { return now.generatedTokens > 50; });
  gone->cancel();
  for (const Outcome &result : outcomes(*gone, 2))
    EXPECT_EQ(result.reason, StopReason::Cancelled);
  EXPECT_EQ(outcomes(*other, 1)[0].ids, expected({1}, 3));
  expectIdle();
  EXPECT_EQ(engine->metrics().cancelled, 2u);
  // The slots are clean.
  EXPECT_EQ(outcomes(*submit({request({2}, 4)}), 1)[0].ids, expected({2}, 4));
}

TEST_F(EngineTest, RefusesWhatDoesNotFitTheQueue) {
  options.queue = 1;
  start();
  const auto running =
      submit(std::vector<EngineRequest>(5, request(endless, INT64_MAX)));
  auto mailbox = std::make_shared<Mailbox>();
  EXPECT_EQ(engine->submit({request({1}, 1)}, mailbox),
            Engine::Admission::QueueFull);
  EXPECT_EQ(engine->metrics().refused, 1u);
  running->cancel();
  outcomes(*running, 5);
  expectIdle();
  EXPECT_EQ(outcomes(*submit({request({1}, 1)}), 1)[0].ids, expected({1}, 1));
}

TEST_F(EngineTest, TakesAllPromptsOrNone) {
  options.queue = 0;
  start();
  auto mailbox = std::make_shared<Mailbox>();
  EXPECT_EQ(
      engine->submit(std::vector<EngineRequest>(5, request({1}, 1)), mailbox),
      Engine::Admission::QueueFull);
  expectIdle();
  EXPECT_EQ(engine->metrics().accepted, 0u);
}

TEST_F(EngineTest, RefusesBadRequests) {
  start();
  auto mailbox = std::make_shared<Mailbox>();
  for (const EngineRequest &bad :
       {request({}, 1), request({7}, 1), request({-1}, 1), request({1}, 0)})
    EXPECT_THROW(engine->submit({request({1}, 1), bad}, mailbox),
                 GenerationError);
  EXPECT_EQ(engine->metrics().accepted, 0u);
}

TEST_F(EngineTest, WhoFailsFailsAlone) {
  start();
  Ids heavy(14, 6); // the fourth token's logits overflow
  heavy.push_back(1);
  const auto mailbox =
      submit({request({1}, 5), request(heavy, 50), request(endless, 200)});
  const std::vector<Outcome> results = outcomes(*mailbox, 3);
  EXPECT_EQ(results[0].ids, expected({1}, 5));
  EXPECT_EQ(results[0].error, "");
  EXPECT_EQ(results[2].ids, expected(endless, 200));
  EXPECT_EQ(results[1].reason, StopReason::Cancelled) << results[1].error;
  EXPECT_NE(results[1].error, "");
  expectIdle();
  EXPECT_EQ(engine->metrics().failed, 1u);
}

TEST_F(EngineTest, DecodesBetweenPiecesOfPrompts) {
  start();
  const auto stream = submit({request(endless, INT64_MAX)});
  waitFor([](const EngineMetrics &now) { return now.generatedTokens > 0; });
  const uint64_t before = engine->metrics().decodeSteps;
  const auto prompt = submit({request(Ids(80, 0), 1)});
  outcomes(*prompt, 1);
  // 40 pieces.
  EXPECT_GE(engine->metrics().decodeSteps - before, 39u);
  stream->cancel();
}

TEST_F(EngineTest, ReusesPrefixes) {
  start();
  const Ids system = {1, 2, 3, 0, 1, 2};
  for (int64_t last = 0; last < 6; ++last) {
    Ids prompt = system;
    prompt.insert(prompt.end(), {last, 1, last});
    EXPECT_EQ(outcomes(*submit({request(prompt, 4)}), 1)[0].ids,
              expected(prompt, 4));
  }
  // The first prompt is computed; the second parts from it at 6 tokens; those
  // that follow start from there.
  const EngineMetrics metrics = engine->metrics();
  EXPECT_EQ(metrics.prefixHits, 4u);
  EXPECT_EQ(metrics.reusedTokens, 24u);
  EXPECT_EQ(metrics.promptTokens, 54u);
}

TEST_F(EngineTest, KeepsMorePrefixesThanASessionHolds) {
  options.prefixSlots = 10;
  start();
  const auto promptOf = [](int64_t i) {
    return Ids{i % 4, i / 4, 1, 1, i % 2};
  };
  for (int64_t round = 0; round < 2; ++round)
    for (int64_t i = 0; i < 10; ++i)
      EXPECT_EQ(outcomes(*submit({request(promptOf(i), 2)}), 1)[0].ids,
                expected(promptOf(i), 2));
  EXPECT_EQ(engine->metrics().prefixHits, 10u);
}

TEST_F(EngineTest, ClosesAndCancels) {
  start();
  const auto mailbox =
      submit(std::vector<EngineRequest>(7, request(endless, INT64_MAX)));
  engine->close();
  auto late = std::make_shared<Mailbox>();
  EXPECT_EQ(engine->submit({request({1}, 1)}, late), Engine::Admission::Closed);
  engine->cancelAll();
  for (const Outcome &result : outcomes(*mailbox, 7))
    EXPECT_EQ(result.reason, StopReason::Cancelled);
  expectIdle();
}

TEST_F(EngineTest, EndsWithWorkInProgress) {
  start();
  const auto mailbox =
      submit(std::vector<EngineRequest>(9, request(endless, INT64_MAX)));
  engine.reset();
  EXPECT_EQ(outcomes(*mailbox, 9).size(), 9u);
}

TEST_F(EngineTest, RefusesMoreSlotsThanTheModelHas) {
  options.slots = 5;
  try {
    start();
    FAIL();
  } catch (const GenerationError &error) {
    EXPECT_NE(std::string(error.what()).find("--max-batch=5"),
              std::string::npos);
  }
}

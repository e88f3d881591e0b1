//===- session-properties.cpp - a model's sequences, in any order ---------===//
//
// session-properties MODEL.hyb [--seeds N] [--steps N] [--rtol R] [--atol A]
//
// Runs, forks, crops, resets, saves and restores the sequences of a session in
// random orders. After each step, the sequences that took part are compared
//  - with one alone that was given the same tokens in the same calls: bit for
//    bit, or within the tolerance, where a kv state was cut inside of a call
//    and, with --batch-rounds, where rows ran together;
//  - with a fresh prefill of all their tokens at once: within the tolerance.
// For models whose inputs are token ids and what the runtime fills in, with an
// output "logits" of rank 3, floats.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Runtime/Numbers.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace hybrid;

namespace {

using Logits = std::vector<float>;

void check(HybridStatus status) {
  if (status != HYBRID_OK)
    throw std::runtime_error(hybrid_last_error());
}

struct Close {
  void operator()(HybridSession *session) const {
    hybrid_session_close(session);
  }
};
using Session = std::unique_ptr<HybridSession, Close>;

/// What one sequence has been given, and how.
struct Shadow {
  std::vector<int64_t> ids;
  std::vector<int64_t> calls;       ///< tokens of each call
  std::vector<int64_t> checkpoints; ///< positions
  bool alone = true;                ///< no call had other rows
  bool cut = false; ///< a call was longer when it ran: its kv states were cut
};

struct Options {
  std::string model;
  unsigned seeds = 4, steps = 40;
  double rtol = 1e-3, atol = 1e-4;
  bool batchRounds = false;
};

class Properties {
public:
  explicit Properties(const Options &options) : options(options) {
    check(hybrid_module_open(options.model.c_str(), 0, &module));
    readSignature();
  }
  ~Properties() { hybrid_module_close(module); }

  void run(unsigned seed);

  uint64_t compared = 0, exact = 0;
  double largest = 0; ///< difference to a prefill at once

private:
  void readSignature();
  Session make(int64_t batch) const;
  Logits give(HybridSession *session, const std::vector<int64_t> &rows,
              const std::vector<int64_t> &ids) const;
  Logits again(const Shadow &shadow) const;
  Logits atOnce(const Shadow &shadow) const;
  void compare(const Logits &got, const Shadow &shadow, const char *what);
  void compareNext(const HybridSession *all, int64_t sequence,
                   const Shadow &shadow, const char *what);
  void step(std::mt19937 &random);
  void runSome(std::mt19937 &random);
  void cropOne(std::mt19937 &random, int64_t sequence);
  void split(Shadow &shadow, int64_t tokens) const;

  const Options options;
  HybridModule *module = nullptr;
  std::string tokenInput;
  HybridDtype tokenType = HYBRID_INT64;
  int64_t firstId = 0, lastId = 0, longest = 1, capacity = 0;
  bool kvOnly = true;

  static constexpr int64_t batch = 3;
  Session all;
  int64_t every = 0;
  std::vector<Shadow> shadows, saved;
};

} // namespace

void Properties::readSignature() {
  for (size_t i = 0; i < hybrid_module_num_inputs(module); ++i) {
    HybridValueInfo info;
    check(hybrid_module_input(module, i, &info));
    if (std::string(info.role) != "tokens")
      continue;
    tokenInput = info.name;
    tokenType = info.dtype;
    firstId = 0;
    lastId = info.has_range ? info.max : 99;
  }
  capacity = 1 << 20;
  for (size_t i = 0; i < hybrid_module_num_symbols(module); ++i) {
    HybridSymbolInfo info;
    check(hybrid_module_symbol(module, i, &info));
    if (std::string(info.role) == "seq")
      longest = info.capacity;
    if (std::string(info.role) == "past")
      capacity = info.capacity;
  }
  for (size_t i = 0; i < hybrid_module_num_states(module); ++i) {
    HybridStateInfo info;
    check(hybrid_module_state(module, i, &info));
    kvOnly &= info.length_axis >= 0 && info.window == 0;
    if (info.length_axis >= 0)
      capacity = std::min(capacity, info.dims[info.length_axis]);
  }
}

Session Properties::make(int64_t sequences) const {
  HybridSessionOptions sessionOptions = {};
  // One thread: the models are small, the machine may be busy.
  sessionOptions.threads = 1;
  sessionOptions.batch = sequences;
  HybridSession *session = nullptr;
  check(hybrid_session_create(module, &sessionOptions, &session));
  return Session(session);
}

/// The logits of each row's last token, row after row.
Logits Properties::give(HybridSession *session,
                        const std::vector<int64_t> &rows,
                        const std::vector<int64_t> &ids) const {
  std::vector<int32_t> narrow(ids.begin(), ids.end());
  HybridTensor input = {};
  input.name = tokenInput.c_str();
  input.dtype = tokenType;
  input.rank = 2;
  input.dims[0] = int64_t(rows.size());
  input.dims[1] = int64_t(ids.size() / rows.size());
  input.data = tokenType == HYBRID_INT32 ? static_cast<void *>(narrow.data())
                                         : const_cast<int64_t *>(ids.data());
  HybridTensor logits = {};
  logits.name = "logits";
  check(hybrid_session_run_sequences(session, rows.data(), rows.size(), &input,
                                     1, &logits, 1));
  if (!isFloat(logits.dtype) || logits.rank != 3)
    throw std::runtime_error("the logits are not floats of rank 3");
  const size_t width = size_t(logits.dims[2]), length = size_t(logits.dims[1]);
  Logits last;
  for (size_t row = 0; row < rows.size(); ++row)
    for (size_t i = 0; i < width; ++i) {
      const size_t at = (row * length + length - 1) * width + i;
      last.push_back(float(valueAt(logits.dtype, logits.data, at)));
    }
  return last;
}

/// The same tokens in the same calls, alone.
Logits Properties::again(const Shadow &shadow) const {
  const Session session = make(1);
  Logits last;
  auto from = shadow.ids.begin();
  for (int64_t tokens : shadow.calls) {
    last = give(session.get(), {0}, {from, from + tokens});
    from += tokens;
  }
  return last;
}

Logits Properties::atOnce(const Shadow &shadow) const {
  const Session session = make(1);
  Logits last;
  for (size_t at = 0; at < shadow.ids.size(); at += size_t(longest)) {
    const size_t end = std::min(shadow.ids.size(), at + size_t(longest));
    last =
        give(session.get(), {0},
             {shadow.ids.begin() + long(at), shadow.ids.begin() + long(end)});
  }
  return last;
}

void Properties::compare(const Logits &got, const Shadow &shadow,
                         const char *what) {
  const auto fail = [&](const std::string &why) {
    std::string calls;
    for (int64_t tokens : shadow.calls)
      calls += " " + std::to_string(tokens);
    throw std::runtime_error(
        std::string(what) + ": " + why + " after calls of" + calls +
        " tokens, checkpoints every " + std::to_string(every));
  };
  const auto compareWith = [&](const Logits &want, const char *name) {
    for (size_t i = 0; i < want.size(); ++i) {
      const double difference = std::fabs(double(got[i]) - double(want[i]));
      if (!(difference <=
            options.atol + options.rtol * std::fabs(double(want[i]))))
        fail("logit " + std::to_string(i) + " is " + std::to_string(got[i]) +
             ", " + name + " it is " + std::to_string(want[i]));
      largest = std::max(largest, difference);
    }
  };
  ++compared;
  compareWith(atOnce(shadow), "in a prefill at once");
  const Logits same = again(shadow);
  if (std::memcmp(same.data(), got.data(), got.size() * sizeof(float)) == 0) {
    ++exact;
    return;
  }
  if (!shadow.cut && (shadow.alone || !options.batchRounds))
    fail("the logits differ from those of the same calls alone");
  compareWith(same, "in the same calls alone");
}

/// Compares what the sequence says of one more token, without giving it.
void Properties::compareNext(const HybridSession *session, int64_t sequence,
                             const Shadow &shadow, const char *what) {
  if (int64_t(shadow.ids.size()) !=
      hybrid_session_sequence_position(session, sequence))
    throw std::runtime_error(std::string(what) + ": the position is wrong");
  const Session copy = make(1);
  check(hybrid_session_fork_sequence(copy.get(), 0, session, sequence));
  Shadow longer = shadow;
  longer.ids.push_back(firstId + 1);
  longer.calls.push_back(1);
  compare(give(copy.get(), {0}, {firstId + 1}), longer, what);
}

/// A call of `tokens` tokens, split at checkpoints.
void Properties::split(Shadow &shadow, int64_t tokens) const {
  int64_t at = 0;
  for (int64_t call : shadow.calls)
    at += call;
  while (tokens) {
    int64_t length = tokens;
    if (every && !kvOnly)
      length = std::min(length, every - at % every);
    shadow.calls.push_back(length);
    at += length;
    tokens -= length;
    if (every && !kvOnly && at % every == 0)
      shadow.checkpoints.push_back(at);
  }
}

void Properties::runSome(std::mt19937 &random) {
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < batch; ++row)
    if (random() % 3)
      rows.push_back(row);
  const int64_t tokens =
      std::min(longest, random() % 2 ? 1 : int64_t(1 + random() % 9));
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [&](int64_t row) {
                              return int64_t(shadows[size_t(row)].ids.size()) +
                                         tokens + 1 >
                                     capacity;
                            }),
             rows.end());
  if (rows.empty())
    return;
  if (random() % 2)
    std::reverse(rows.begin(), rows.end());
  std::vector<int64_t> ids;
  for (int64_t row : rows) {
    Shadow &shadow = shadows[size_t(row)];
    for (int64_t i = 0; i < tokens; ++i) {
      ids.push_back(firstId +
                    int64_t(random() % unsigned(lastId - firstId + 1)));
      shadow.ids.push_back(ids.back());
    }
    shadow.alone &= rows.size() == 1;
    split(shadow, tokens);
  }
  const Logits logits = give(all.get(), rows, ids);
  const size_t width = logits.size() / rows.size();
  for (size_t i = 0; i < rows.size(); ++i)
    compare({logits.begin() + long(i * width),
             logits.begin() + long((i + 1) * width)},
            shadows[size_t(rows[i])], "run");
}

void Properties::cropOne(std::mt19937 &random, int64_t sequence) {
  Shadow &shadow = shadows[size_t(sequence)];
  const int64_t position = int64_t(random() % (shadow.ids.size() + 1));
  check(hybrid_session_crop(all.get(), sequence, position));
  int64_t start = kvOnly ? position : 0;
  if (position == int64_t(shadow.ids.size()))
    return compareNext(all.get(), sequence, shadow, "crop to the end");
  while (!shadow.checkpoints.empty() && shadow.checkpoints.back() > position)
    shadow.checkpoints.pop_back();
  if (!shadow.checkpoints.empty())
    start = shadow.checkpoints.back();
  shadow.ids.resize(size_t(position));
  int64_t kept = 0;
  size_t calls = 0;
  for (; calls < shadow.calls.size() && kept < start; ++calls) {
    shadow.cut |= shadow.calls[calls] > start - kept;
    shadow.calls[calls] = std::min(shadow.calls[calls], start - kept);
    kept += shadow.calls[calls];
  }
  shadow.calls.resize(calls);
  while (kept < position) {
    const int64_t length = std::min(longest, position - kept);
    split(shadow, length);
    kept += length;
  }
  compareNext(all.get(), sequence, shadow, "crop");
}

void Properties::step(std::mt19937 &random) {
  static const std::string path = [] {
    char name[] = "session-properties-XXXXXX";
    const char *directory = std::getenv("TMPDIR");
    std::string text = std::string(directory ? directory : "/tmp") + "/" + name;
    const int descriptor = mkstemp(&text[0]);
    if (descriptor < 0)
      throw std::runtime_error("cannot make a temporary file");
    std::fclose(fdopen(descriptor, "w"));
    return text;
  }();
  const int64_t one = int64_t(random() % batch);
  switch (random() % 10) {
  case 0: {
    const int64_t to = int64_t(random() % batch);
    check(hybrid_session_fork_sequence(all.get(), to, all.get(), one));
    const Shadow copy = shadows[size_t(one)];
    shadows[size_t(to)] = copy;
    return compareNext(all.get(), to, copy, "fork");
  }
  case 1:
  case 2:
    return cropOne(random, one);
  case 3:
    check(hybrid_session_reset_sequence(all.get(), one));
    shadows[size_t(one)] = Shadow();
    return compareNext(all.get(), one, shadows[size_t(one)], "reset");
  case 4:
    check(hybrid_session_snapshot(all.get(), path.c_str()));
    saved = shadows;
    for (Shadow &shadow : saved)
      shadow.checkpoints.clear();
    return;
  case 5:
    if (saved.empty())
      return;
    check(hybrid_session_restore(all.get(), path.c_str()));
    shadows = saved;
    return compareNext(all.get(), one, shadows[size_t(one)], "restore");
  case 6: {
    HybridSession *fork = nullptr;
    check(hybrid_session_fork(all.get(), &fork));
    all.reset(fork);
    return compareNext(all.get(), one, shadows[size_t(one)], "whole fork");
  }
  default:
    return runSome(random);
  }
}

void Properties::run(unsigned seed) {
  std::mt19937 random(seed);
  const int64_t distances[] = {0, 4, 7, 1};
  every = distances[seed % 4];
  all = make(batch);
  check(hybrid_session_checkpoint_every(all.get(), every));
  shadows.assign(size_t(batch), Shadow());
  saved.clear();
  for (unsigned i = 0; i < options.steps; ++i)
    step(random);
}

static Options parse(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto value = [&] {
      if (++i >= argc)
        throw std::runtime_error(name + " needs a value");
      return std::atof(argv[i]);
    };
    if (name == "--seeds")
      options.seeds = unsigned(value());
    else if (name == "--steps")
      options.steps = unsigned(value());
    else if (name == "--rtol")
      options.rtol = value();
    else if (name == "--atol")
      options.atol = value();
    else if (name == "--batch-rounds")
      options.batchRounds = true;
    else
      options.model = name;
  }
  return options;
}

int main(int argc, char **argv) {
  try {
    const Options options = parse(argc, argv);
    Properties properties(options);
    for (unsigned seed = 0; seed < options.seeds; ++seed) {
      try {
        properties.run(seed);
      } catch (const std::runtime_error &error) {
        throw std::runtime_error("seed " + std::to_string(seed) + ": " +
                                 error.what());
      }
    }
    std::printf("%llu comparisons, %llu bit for bit; largest difference to a "
                "prefill at once %g\n",
                static_cast<unsigned long long>(properties.compared),
                static_cast<unsigned long long>(properties.exact),
                properties.largest);
    return 0;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "session-properties: error: %s\n", error.what());
    return 1;
  }
}

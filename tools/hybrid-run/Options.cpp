//===- Options.cpp - command line of hybrid-run ---------------------------===//

#include "Options.h"

#include <cerrno>
#include <cmath>
#include <cstdlib>

using namespace hybrid;

const char hybrid::helpText[] =
    R"(hybrid-run: runs models that hybrid-compile has compiled

usage: hybrid-run MODEL.hyb --inputs IN.npz [--inputs …] [--outputs DIR]
       hybrid-run MODEL.hyb --inputs IN.npz --compare WANT.npz
       hybrid-run MODEL.hyb --bench
       hybrid-run MODEL.hyb --inspect

Running
  --inputs FILE     inputs of one run, by name. Given several times, the runs
                    follow each other in one session and states carry over.
                    position_ids and attention_mask may be left out; a state
                    (past_…) that is given is loaded.
  --outputs DIR     write the outputs of run k to DIR/k.npz (k = 0, 1, …)
  --states          write the states (present_…) too
  --restore FILE    start from the states in this file, not from empty ones
  --snapshot FILE   write the states after the last run to this file
  --logits WHICH    "last": compute the logits of each run's last position
                    only, where the model can; "all" (default): of every one
  --threads N       threads to run on (default: one per CPU)

Comparing
  --compare FILE    compare run k with the k-th of these, by name; states by
                    their present_… names. Exit code 1 unless every element has
                    |got - want| <= atol + rtol * |want|; NaN equals only NaN.
  --rtol R          default 1e-3
  --atol A          default 1e-4

Measuring
  --bench           time prefill and decode on made inputs, or, with --inputs,
                    the runs on these
  --prompt-len N    tokens of the prefill (default: up to 128)
  --decode N        decode steps after it (default: up to 64)
  --batch B         sequences (default: 1)
  --dim NAME=N      size of another symbolic dimension (default: 1)
  --repeat R        repetitions, of which the median counts (default: 5)
  --seed S          of the made inputs (default: 0)
  --per-kernel      also the time of each kernel

Describing
  --inspect         signature, states, bytes and target; does not need the
                    target's CPU
  --verify-hashes   check the weights, too, against their hash
  --json            print one JSON document instead of text
  --version
  --help

bfloat16 values are stored as float32 in npz files.
Exit codes: 0 success; 1 error or difference; 2 wrong command line.
)";

static int64_t integerValue(const std::string &option, const std::string &text,
                            int64_t least) {
  char *end = nullptr;
  errno = 0;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end || errno || value < least ||
      value > INT64_C(1) << 40)
    throw UsageError(option + " needs an integer of at least " +
                     std::to_string(least) + ", not '" + text + "'");
  return value;
}

static double tolerance(const std::string &option, const std::string &text) {
  char *end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end || !std::isfinite(value) || value < 0)
    throw UsageError(option + " needs a number of at least 0, not '" + text +
                     "'");
  return value;
}

namespace {

/// The arguments, with `--name=value` split.
class Arguments {
public:
  Arguments(int argc, char **argv) : argc(argc), argv(argv) {}

  bool next() {
    checkUsed();
    if (at >= argc)
      return false;
    name = argv[at++];
    hasInline = false;
    const size_t equals = name.find('=');
    if (name.compare(0, 2, "--") == 0 && equals != std::string::npos) {
      inlineValue = name.substr(equals + 1);
      hasInline = true;
      name.resize(equals);
    }
    return true;
  }

  std::string value() {
    if (hasInline) {
      hasInline = false;
      return inlineValue;
    }
    if (at >= argc)
      throw UsageError(name + " needs a value");
    return argv[at++];
  }

  std::string name;

private:
  void checkUsed() const {
    if (hasInline)
      throw UsageError(name + " takes no value");
  }

  int argc;
  char **argv;
  int at = 1;
  bool hasInline = false;
  std::string inlineValue;
};

} // namespace

static bool parseFlag(const std::string &name, Options &options) {
  const std::map<std::string, bool Options::*> flags = {
      {"--states", &Options::states},
      {"--inspect", &Options::inspect},
      {"--bench", &Options::bench},
      {"--per-kernel", &Options::perKernel},
      {"--json", &Options::json},
      {"--verify-hashes", &Options::verifyHashes},
      {"--help", &Options::help},
      {"-h", &Options::help},
      {"--version", &Options::version}};
  const auto found = flags.find(name);
  if (found == flags.end())
    return false;
  options.*found->second = true;
  return true;
}

static bool parseInteger(Arguments &arguments, Options &options) {
  struct Integer {
    int64_t Options::*member;
    int64_t least;
  };
  const std::map<std::string, Integer> integers = {
      {"--threads", {&Options::threads, 1}},
      {"--batch", {&Options::batch, 1}},
      {"--prompt-len", {&Options::promptLength, 1}},
      {"--decode", {&Options::decodeSteps, 0}},
      {"--repeat", {&Options::repeat, 1}},
      {"--seed", {&Options::seed, 0}}};
  const std::string name = arguments.name;
  const auto found = integers.find(name);
  if (found == integers.end())
    return false;
  options.*found->second.member =
      integerValue(name, arguments.value(), found->second.least);
  return true;
}

static void parseDim(const std::string &text, Options &options) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0)
    throw UsageError("--dim needs NAME=N, not '" + text + "'");
  options.dims[text.substr(0, equals)] =
      integerValue("--dim", text.substr(equals + 1), 0);
}

static bool isLast(const std::string &text) {
  if (text != "last" && text != "all")
    throw UsageError("--logits needs 'last' or 'all', not '" + text + "'");
  return text == "last";
}

static void parseOther(Arguments &arguments, Options &options) {
  const std::string name = arguments.name;
  if (name == "--inputs")
    options.inputs.push_back(arguments.value());
  else if (name == "--compare")
    options.compare.push_back(arguments.value());
  else if (name == "--outputs")
    options.outputs = arguments.value();
  else if (name == "--restore")
    options.restore = arguments.value();
  else if (name == "--snapshot")
    options.snapshot = arguments.value();
  else if (name == "--rtol")
    options.rtol = tolerance(name, arguments.value());
  else if (name == "--atol")
    options.atol = tolerance(name, arguments.value());
  else if (name == "--logits")
    options.lastOnly = isLast(arguments.value());
  else if (name == "--dim")
    parseDim(arguments.value(), options);
  else if (name.size() > 1 && name[0] == '-')
    throw UsageError("unknown option " + name);
  else if (!options.model.empty())
    throw UsageError("there are two models, '" + options.model + "' and '" +
                     name + "'");
  else
    options.model = name;
}

static void checkCombination(const Options &options) {
  if (options.model.empty())
    throw UsageError("no model is given");
  if (options.inspect && (options.bench || !options.inputs.empty()))
    throw UsageError("--inspect goes with neither --inputs nor --bench");
  if (options.bench && (!options.compare.empty() || !options.outputs.empty()))
    throw UsageError("--bench goes with neither --compare nor --outputs");
  const bool keeps = !options.restore.empty() || !options.snapshot.empty();
  if (options.bench && keeps)
    throw UsageError("--bench goes with neither --restore nor --snapshot");
  if (options.inputs.empty() &&
      (!options.compare.empty() || !options.outputs.empty()))
    throw UsageError("--compare and --outputs need --inputs");
  if (options.inputs.empty() && keeps)
    throw UsageError("--restore and --snapshot need --inputs");
  if (!options.compare.empty() &&
      options.compare.size() != options.inputs.size())
    throw UsageError(
        "--compare is given " + std::to_string(options.compare.size()) +
        " times, --inputs " + std::to_string(options.inputs.size()) + " times");
  if (options.inputs.empty() && !options.inspect && !options.bench &&
      !options.verifyHashes)
    throw UsageError(
        "nothing to do: give --inputs, --bench, --inspect or --verify-hashes");
}

Options hybrid::parseOptions(int argc, char **argv) {
  Options options;
  Arguments arguments(argc, argv);
  while (arguments.next())
    if (!parseFlag(arguments.name, options) &&
        !parseInteger(arguments, options))
      parseOther(arguments, options);
  if (!options.help && !options.version)
    checkCombination(options);
  return options;
}

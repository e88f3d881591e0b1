//===- Options.cpp - command line of hybrid-run ---------------------------===//

#include "Options.h"

#include <cerrno>
#include <cmath>
#include <cstdlib>

using namespace hybrid;

const char hybrid::helpText[] =
    R"(hybrid-run: runs models that hybrid-compile has compiled

usage: hybrid-run MODEL.hyb --prompt TEXT [-n N]
       hybrid-run MODEL.hyb --inputs IN.npz [--inputs …] [--outputs DIR]
       hybrid-run MODEL.hyb --inputs IN.npz --compare WANT.npz
       hybrid-run MODEL.hyb --bench
       hybrid-run MODEL.hyb --serve PORT
       hybrid-run MODEL.hyb --inspect

Generating
  --prompt TEXT     continue a text. It goes to standard output as it comes,
                    figures to standard error.
  --prompt-ids IDS  continue token ids, like 1,2,3. Without a tokenizer, ids are
                    written.
  --prompt-file FILE
                    continue each line of a file (-: standard input); a line
                    may be {"prompt": "text"} or {"ids": [1, 2, 3]}. Results
                    come in the order of the lines.
  -n, --max-tokens N
                    generate at most N tokens (default: 128)
  --temperature T   draw from the probabilities, sharper (T < 1) or flatter
                    (T > 1); 0: always take the most probable token
  --top-k K         draw among the K most probable tokens (0: all)
  --top-p P         draw among the fewest tokens of probability P together
  --repetition-penalty R
                    make tokens that came before less probable (1: no)
  --seed S          of the draws (default: 0)
  --stop TEXT       end before this text; may be given several times
  --ignore-eos      go on after end tokens
  --echo            write the prompt, too
  --tokenizer FILE  tokenizer.json, if not beside the model
  --config DIR      where genai_config.json, generation_config.json, config.json
                    and tokenizer.json are, if not beside the model
  --prefill-chunk N run the prompt in pieces of N tokens
  --restore FILE    the prompt follows what this session holds
  --crop N          keep only the first N tokens of the restored session
  --snapshot FILE   write the session with the prompt and all that came after it

Options not given are as the files in DIR say, else greedy.

Running
  --inputs FILE     inputs of one run, by name. Given several times, the runs
                    follow each other in one session and states carry over.
                    position_ids and attention_mask may be left out; a state
                    (past_…) that is given is loaded.
  --outputs DIR     write the outputs of run k to DIR/k.npz (k = 0, 1, …)
  --states          write the states (present_…) too
  --restore FILE    start from the states in this file, not from empty ones
  --crop N          keep only the first N tokens of them
  --snapshot FILE   write the states after the last run to this file
  --logits WHICH    "last": compute the logits of each run's last position
                    only, where the model can; "all" (default): of every one
  --threads N       threads to run on (default: one per CPU)
  --device D        cpu, or cuda or cuda:N for an NVIDIA GPU (default: what the
                    model is compiled for); also for --prompt and --bench

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

Serving
  --serve PORT      answer OpenAI-style completions over HTTP until SIGINT or
                    SIGTERM comes; 0 takes a free port (docs/server.md).
                    --tokenizer and --config as above; prompts are run in pieces
                    of --prefill-chunk tokens (default: 64) between the steps of
                    others.
  --host ADDRESS    where to listen (default: 127.0.0.1, this machine only)
  --slots N         sequences at once (default: the model's batch capacity)
  --queue N         prompts that may wait for a slot (default: 256)
  --prefix-slots N  prompts whose states are kept, for prompts that begin alike
                    (default: 8)
  --max-body BYTES  of a request (default: 1048576)
  --max-tokens-limit N
                    tokens that a request may ask for (default: the model's
                    context, at most 65536)

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

static double number(const std::string &option, const std::string &text) {
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
      {"--ignore-eos", &Options::ignoreEos},
      {"--echo", &Options::echo},
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
      {"--seed", {&Options::seed, 0}},
      {"--crop", {&Options::crop, 0}},
      {"-n", {&Options::maxTokens, 0}},
      {"--max-tokens", {&Options::maxTokens, 0}},
      {"--top-k", {&Options::topK, 0}},
      {"--prefill-chunk", {&Options::prefillChunk, 1}},
      {"--serve", {&Options::port, 0}},
      {"--slots", {&Options::slots, 1}},
      {"--queue", {&Options::queue, 0}},
      {"--prefix-slots", {&Options::prefixSlots, 0}},
      {"--max-body", {&Options::maxBody, 1}},
      {"--max-tokens-limit", {&Options::maxTokensLimit, 1}}};
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

static bool parseNumber(Arguments &arguments, Options &options) {
  const std::string name = arguments.name;
  if (name == "--rtol")
    options.rtol = number(name, arguments.value());
  else if (name == "--atol")
    options.atol = number(name, arguments.value());
  else if (name == "--temperature")
    options.temperature = number(name, arguments.value());
  else if (name == "--top-p")
    options.topP = number(name, arguments.value());
  else if (name == "--repetition-penalty")
    options.repetitionPenalty = number(name, arguments.value());
  else
    return false;
  return true;
}

static bool parseText(Arguments &arguments, Options &options) {
  const std::map<std::string, std::string Options::*> texts = {
      {"--outputs", &Options::outputs},
      {"--device", &Options::device},
      {"--restore", &Options::restore},
      {"--snapshot", &Options::snapshot},
      {"--prompt-file", &Options::promptFile},
      {"--tokenizer", &Options::tokenizer},
      {"--config", &Options::config},
      {"--host", &Options::host}};
  const std::map<std::string, std::vector<std::string> Options::*> lists = {
      {"--inputs", &Options::inputs},
      {"--compare", &Options::compare},
      {"--stop", &Options::stop}};
  const std::string name = arguments.name;
  if (const auto text = texts.find(name); text != texts.end())
    options.*text->second = arguments.value();
  else if (const auto list = lists.find(name); list != lists.end())
    (options.*list->second).push_back(arguments.value());
  else if (name == "--prompt")
    options.prompt = arguments.value();
  else if (name == "--prompt-ids")
    options.promptIds = arguments.value();
  else
    return false;
  return true;
}

static bool isLast(const std::string &text) {
  if (text != "last" && text != "all")
    throw UsageError("--logits needs 'last' or 'all', not '" + text + "'");
  return text == "last";
}

static void parseOther(Arguments &arguments, Options &options) {
  const std::string name = arguments.name;
  if (name == "--logits")
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

/// Options that only mean something together with a prompt.
static bool hasGenerating(const Options &options) {
  return options.maxTokens >= 0 || options.topK >= 0 || options.prefillChunk ||
         options.temperature || options.topP || options.repetitionPenalty ||
         options.ignoreEos || options.echo || !options.stop.empty() ||
         !options.tokenizer.empty() || !options.config.empty();
}

static void checkGenerating(const Options &options) {
  const int prompts = (options.prompt ? 1 : 0) + (options.promptIds ? 1 : 0) +
                      (options.promptFile.empty() ? 0 : 1);
  if (prompts > 1)
    throw UsageError(
        "give one of --prompt, --prompt-ids and --prompt-file, not several");
  if (!prompts && hasGenerating(options))
    throw UsageError("-n, --max-tokens, --temperature, --top-k, --top-p, "
                     "--repetition-penalty, --stop, --ignore-eos, --echo, "
                     "--tokenizer, --config and --prefill-chunk need --prompt, "
                     "--prompt-ids or --prompt-file");
  if (prompts && (options.inspect || options.bench || !options.inputs.empty()))
    throw UsageError(
        "a prompt goes with none of --inputs, --bench and --inspect");
  if (!options.promptFile.empty() &&
      (!options.restore.empty() || !options.snapshot.empty()))
    throw UsageError("--restore and --snapshot go with one prompt, not with "
                     "--prompt-file");
  for (const std::string &stop : options.stop)
    if (stop.empty())
      throw UsageError("--stop needs a text that is not empty");
}

/// Options that only mean something to a server.
static bool hasServing(const Options &options) {
  return !options.host.empty() || options.slots || options.queue >= 0 ||
         options.prefixSlots >= 0 || options.maxBody || options.maxTokensLimit;
}

static void checkServing(const Options &options) {
  if (options.port > 65535)
    throw UsageError("--serve needs a port of at most 65535");
  const bool isOtherwise =
      options.inspect || options.bench || options.json || options.generates() ||
      options.temperature || options.topP || options.repetitionPenalty ||
      options.maxTokens >= 0 || options.topK >= 0 || options.ignoreEos ||
      options.echo || !options.stop.empty() || !options.inputs.empty() ||
      !options.outputs.empty() || !options.compare.empty() ||
      !options.restore.empty() || !options.snapshot.empty();
  if (isOtherwise)
    throw UsageError("--serve goes with --host, --slots, --queue, "
                     "--prefix-slots, --max-body, --max-tokens-limit, "
                     "--tokenizer, --config, --prefill-chunk, --threads and "
                     "--verify-hashes only");
  // Each takes a thread or a state.
  for (const int64_t count :
       {options.slots, options.queue, options.prefixSlots})
    if (count > 4096)
      throw UsageError("--slots, --queue and --prefix-slots take at most 4096");
}

static void checkCombination(const Options &options) {
  if (options.model.empty())
    throw UsageError("no model is given");
  if (options.crop >= 0 && options.restore.empty())
    throw UsageError("--crop needs --restore");
  if (options.port >= 0)
    return checkServing(options);
  if (hasServing(options))
    throw UsageError("--host, --slots, --queue, --prefix-slots, --max-body and "
                     "--max-tokens-limit need --serve");
  checkGenerating(options);
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
  if (options.inputs.empty() && !options.generates() && keeps)
    throw UsageError("--restore and --snapshot need --inputs or a prompt");
  if (!options.compare.empty() &&
      options.compare.size() != options.inputs.size())
    throw UsageError(
        "--compare is given " + std::to_string(options.compare.size()) +
        " times, --inputs " + std::to_string(options.inputs.size()) + " times");
  if (options.inputs.empty() && !options.inspect && !options.bench &&
      !options.verifyHashes && !options.generates())
    throw UsageError("nothing to do: give --prompt, --inputs, --bench, "
                     "--inspect or --verify-hashes");
}

Options hybrid::parseOptions(int argc, char **argv) {
  Options options;
  Arguments arguments(argc, argv);
  while (arguments.next())
    if (!parseFlag(arguments.name, options) &&
        !parseInteger(arguments, options) && !parseNumber(arguments, options) &&
        !parseText(arguments, options))
      parseOther(arguments, options);
  if (!options.help && !options.version)
    checkCombination(options);
  return options;
}

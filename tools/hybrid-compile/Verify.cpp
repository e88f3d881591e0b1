//===- Verify.cpp - hybrid-compile --verify -------------------------------===//

#include "Verify.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

/// Says in a sentence what is missing; a plain `-m hybrid` would print a
/// traceback.
static const char bootstrap[] = R"(import sys
try:
    from hybrid.__main__ import main
except ImportError as problem:
    print("hybrid-compile: error: --verify needs Python's packages hybrid (of "
          "hybrid-compiler), numpy, onnx and onnxruntime:", problem,
          file=sys.stderr)
    sys.exit(2)
sys.exit(main(sys.argv[1:]))
)";

static int fail(const llvm::Twine &message) {
  llvm::WithColor::error(llvm::errs(), "hybrid-compile") << message << "\n";
  return 2;
}

/// The folder that holds the package `hybrid` which belongs to the compiler at
/// `compiler`: in the wheel, it lies in hybrid/bin; in a checkout in build/bin.
/// Empty if it is neither; Python then looks for the package itself.
static std::string packageFolder(llvm::StringRef compiler) {
  const llvm::StringRef bin = llvm::sys::path::parent_path(compiler);
  const llvm::StringRef above = llvm::sys::path::parent_path(bin);
  const llvm::StringRef root = llvm::sys::path::parent_path(above);
  llvm::SmallString<128> checkout(root);
  llvm::sys::path::append(checkout, "python");
  for (llvm::StringRef folder : {root, checkout.str()}) {
    llvm::SmallString<128> file(folder);
    llvm::sys::path::append(file, "hybrid", "__main__.py");
    if (llvm::sys::fs::exists(file))
      return folder.str();
  }
  return {};
}

static void prependToPythonPath(const std::string &folder) {
  const char *old = std::getenv("PYTHONPATH");
  const std::string path = folder + (old && *old ? std::string(":") + old : "");
  setenv("PYTHONPATH", path.c_str(), /*overwrite=*/1);
}

/// The options on a command line again.
static std::vector<std::string>
commandLineOf(const hybrid::CompileOptions &options) {
  std::vector<std::string> words = {
      "--target=" + options.target,
      "--max-batch=" + std::to_string(options.maxBatch),
      "--max-seq=" + std::to_string(options.maxSeq),
      "--max-context=" + std::to_string(options.maxContext),
      "-O" + std::to_string(options.optLevel)};
  if (!options.states)
    words.push_back("--no-states");
  if (options.branchForm != "auto")
    words.push_back("--branch-form=" + options.branchForm);
  if (options.scanForm != "auto")
    words.push_back("--scan-form=" + options.scanForm);
  if (options.scanChunk != 0)
    words.push_back("--scan-chunk=" + std::to_string(options.scanChunk));
  if (options.quantize != "none")
    words.push_back("--quantize=" + options.quantize);
  for (const std::string &pair : options.statePairs)
    words.push_back("--state=" + pair);
  for (const std::string &dim : options.dims)
    words.push_back("--dim=" + dim);
  words.push_back("--raise=" + llvm::join(options.raise, ","));
  return words;
}

int Verification::run() const {
  const char *chosen = std::getenv("HYBRID_PYTHON");
  const std::string name = chosen && *chosen ? chosen : "python3";
  const llvm::ErrorOr<std::string> python = llvm::sys::findProgramByName(name);
  if (!python)
    return fail("--verify needs Python, but there is no '" + name +
                "' (HYBRID_PYTHON can name another)");
  const std::string package = packageFolder(compiler);
  if (!package.empty())
    prependToPythonPath(package);

  std::vector<std::string> words = {name,     "-c",         bootstrap,
                                    "verify", model,        "--artifact",
                                    artifact, "--compiler", compiler};
  if (layers)
    words.push_back("--layers");
  if (json)
    words.push_back("--json");
  words.push_back("--");
  for (std::string &word : commandLineOf(options))
    words.push_back(std::move(word));

  const std::vector<llvm::StringRef> arguments(words.begin(), words.end());
  std::string problem;
  const int code = llvm::sys::ExecuteAndWait(
      *python, arguments, /*Env=*/std::nullopt, /*Redirects=*/{},
      /*SecondsToWait=*/0, /*MemoryLimit=*/0, &problem);
  if (code < 0)
    return fail("'" + *python + "' did not end: " + problem);
  return code;
}

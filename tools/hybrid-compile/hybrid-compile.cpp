//===- hybrid-compile.cpp - ONNX hybrid to artifact -----------------------===//

#include "hybrid/Compiler/Compiler.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"

namespace cl = llvm::cl;

namespace {

/// The tool's options; in a struct, so that their registration is visible.
struct Options {
  cl::OptionCategory category{"hybrid-compile options"};
  cl::opt<std::string> input{cl::Positional, cl::desc("<model.onnx>"),
                             cl::Required, cl::cat(category)};
  cl::opt<std::string> output{
      "o", cl::desc("Output file (default: the model's name with .hyb; text "
                    "goes to the standard output)"),
      cl::value_desc("file"), cl::cat(category)};
  cl::opt<hybrid::Stage> emit{
      "emit", cl::desc("Stop after a level and print it:"),
      cl::values(
          clEnumValN(hybrid::Stage::ONNX, "onnx", "level 1: as imported"),
          clEnumValN(hybrid::Stage::Hybrid, "hybrid", "level 2: what it means"),
          clEnumValN(hybrid::Stage::Schedule, "schedule",
                     "level 3: kernels and launches on tensors"),
          clEnumValN(hybrid::Stage::Kernel, "kernel",
                     "level 4: loops and vectors on memrefs"),
          clEnumValN(hybrid::Stage::LLVM, "llvm", "level 5: LLVM IR"),
          clEnumValN(hybrid::Stage::Object, "obj", "an ELF object file"),
          clEnumValN(hybrid::Stage::Bundle, "bundle",
                     "the artifact (default)")),
      cl::init(hybrid::Stage::Bundle), cl::cat(category)};
  cl::opt<std::string> target{
      "target",
      cl::desc("cpu[:level[,+feature|-feature…]]; level: native (default), "
               "x86-64, x86-64-v2, x86-64-v3, x86-64-v4, aarch64"),
      cl::init("cpu"), cl::cat(category)};
  cl::opt<bool> noStates{
      "no-states",
      cl::desc("Keep every graph input and output as it is: one entry, main"),
      cl::cat(category)};
  cl::list<std::string> states{
      "state", cl::desc("Bind these pairs to states instead of those found by "
                        "name (may be repeated)"),
      cl::value_desc("input:output"), cl::cat(category)};
  cl::opt<int64_t> maxBatch{"max-batch",
                            cl::desc("Most sequences of a call (default 8)"),
                            cl::init(8), cl::cat(category)};
  cl::opt<int64_t> maxSeq{
      "max-seq", cl::desc("Most tokens per sequence of a call (default 2048)"),
      cl::init(2048), cl::cat(category)};
  cl::opt<int64_t> maxContext{
      "max-context",
      cl::desc("Most tokens that a session holds (default 4096)"),
      cl::init(4096), cl::cat(category)};
  cl::list<std::string> dims{
      "dim", cl::desc("Capacity of another dimension (may be repeated)"),
      cl::value_desc("name:capacity"), cl::cat(category)};
  cl::opt<unsigned> optLevel{
      "O", cl::Prefix, cl::desc("Optimisation of the code: 0 to 3 (default 2)"),
      cl::init(2), cl::cat(category)};
  cl::opt<bool> verbose{"v", cl::desc("Print each phase's time and a summary"),
                        cl::cat(category)};
  cl::opt<bool> json{
      "json", cl::desc("Print the summary as JSON on the standard output"),
      cl::cat(category)};
};

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  Options options;
  cl::HideUnrelatedOptions(options.category);
  if (!cl::ParseCommandLineOptions(
          argc, argv,
          "Compiles a hybrid language model from ONNX to native code.\n\n"
          "Exit codes: 0 done, 1 the model cannot be compiled, 2 usage.\n",
          &llvm::errs()))
    return 2;

  hybrid::CompileOptions compile;
  compile.stage = options.emit;
  compile.target = options.target;
  compile.states = !options.noStates;
  compile.statePairs = options.states;
  compile.maxBatch = options.maxBatch;
  compile.maxSeq = options.maxSeq;
  compile.maxContext = options.maxContext;
  compile.dims = options.dims;
  compile.optLevel = options.optLevel;
  compile.progress = options.verbose;

  std::string output = options.output;
  if (output.empty()) {
    output = "-";
    llvm::SmallString<128> path(options.input);
    if (compile.stage >= hybrid::Stage::Object) {
      llvm::sys::path::replace_extension(
          path, compile.stage == hybrid::Stage::Object ? "o" : "hyb");
      output = path.str().str();
    }
  }
  // Linking resets the options.
  const bool json = options.json, verbose = options.verbose;
  const std::string input = options.input;
  hybrid::CompileReport report;
  if (!hybrid::compile(input, output, compile, llvm::errs(), report))
    return 1;
  if (json)
    llvm::outs() << report.toJSON();
  else if (verbose)
    llvm::errs() << report.toText();
  return 0;
}

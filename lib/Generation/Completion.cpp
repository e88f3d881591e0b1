//===- Completion.cpp - one text being generated --------------------------===//

#include "hybrid/Generation/Completion.h"

#include "hybrid/Generation/Error.h"

#include <algorithm>

using namespace hybrid;

const char *hybrid::stopReasonName(StopReason reason) {
  switch (reason) {
  case StopReason::None:
    return "";
  case StopReason::Eos:
    return "eos";
  case StopReason::Length:
    return "length";
  case StopReason::StopText:
    return "stop";
  case StopReason::Capacity:
    return "capacity";
  case StopReason::Cancelled:
    return "cancelled";
  }
  return "";
}

Completion::Completion(const CompletionOptions &options,
                       const std::vector<int64_t> &prompt,
                       const Tokenizer *tokenizer)
    : options(options), sampler(options.sampling) {
  if (!options.stop.empty() && !tokenizer)
    throw GenerationError("stop texts need a tokenizer");
  for (const std::string &stop : options.stop)
    if (stop.empty())
      throw GenerationError("a stop text is empty");
  if (tokenizer)
    decoder = std::make_unique<TextDecoder>(*tokenizer);
  sampler.see(prompt);
  if (options.maxTokens <= 0)
    reason = StopReason::Length;
}

std::string Completion::step(const LogitsRow &logits) {
  const int64_t id = sampler.next(logits);
  generated.push_back(id);
  if (std::count(options.eos.begin(), options.eos.end(), id))
    return stop(StopReason::Eos);
  const std::string fresh = decoder ? decoder->feed(id) : "";
  if (int64_t(generated.size()) < options.maxTokens)
    return release(fresh, /*last=*/false);
  reason = StopReason::Length;
  return release(fresh + (decoder ? decoder->finish() : ""), /*last=*/true);
}

std::string Completion::stop(StopReason why) {
  reason = why;
  return release(decoder ? decoder->finish() : "", /*last=*/true);
}

/// How many bytes at the end of `text` could be the start of `stop`.
static size_t startedAtEnd(const std::string &text, const std::string &stop) {
  size_t length = std::min(text.size(), stop.size() - 1);
  while (length && text.compare(text.size() - length, length, stop, 0, length))
    --length;
  return length;
}

std::string Completion::release(const std::string &fresh, bool last) {
  held += fresh;
  size_t end = std::string::npos, keep = 0;
  for (const std::string &stop : options.stop) {
    end = std::min(end, held.find(stop));
    keep = std::max(keep, startedAtEnd(held, stop));
  }
  std::string out;
  if (end != std::string::npos) {
    reason = StopReason::StopText;
    out = held.substr(0, end);
    held.clear();
  } else {
    out = held.substr(0, held.size() - (last ? 0 : keep));
    held.erase(0, out.size());
  }
  whole += out;
  return out;
}

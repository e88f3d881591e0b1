//===- PrefixCache.cpp - which prompts' states are kept -------------------===//

#include "PrefixCache.h"

#include <algorithm>

using namespace hybrid::serving;

/// Prompts that are compared with a new one.
static constexpr size_t recentPrompts = 64;

static int64_t commonLength(const PrefixCache::Tokens &a,
                            const PrefixCache::Tokens &b) {
  const size_t most = std::min(a.size(), b.size());
  return std::mismatch(a.begin(), a.begin() + int64_t(most), b.begin()).first -
         a.begin();
}

PrefixCache::Plan PrefixCache::plan(const Tokens &prompt) {
  Plan plan;
  const int64_t last = wholePieces(int64_t(prompt.size()) - 1);
  if (entries.empty() || !last)
    return plan;
  plan.hit = find(prompt);
  const int64_t branch = std::min(branchOf(prompt), last);
  if (branch > plan.hit.length)
    plan.branch = branch;
  if (last > std::max(plan.hit.length, plan.branch))
    plan.lasting = last;
  if (recent.size() == recentPrompts)
    recent.pop_front();
  recent.push_back(prompt);
  return plan;
}

PrefixCache::Hit PrefixCache::find(const Tokens &prompt) {
  Hit best;
  for (size_t i = 0; i < entries.size(); ++i) {
    const int64_t size = int64_t(entries[i].tokens.size());
    const int64_t length = wholePieces(std::min(
        commonLength(entries[i].tokens, prompt), int64_t(prompt.size()) - 1));
    if (length > best.length && (length == size || canCut))
      best = {i, length};
  }
  if (best.length)
    entries[best.entry].used = ++clock;
  return best;
}

int64_t PrefixCache::branchOf(const Tokens &prompt) const {
  int64_t branch = 0;
  for (const Tokens &other : recent)
    branch = std::max(branch, wholePieces(commonLength(other, prompt)));
  return branch;
}

size_t PrefixCache::replace() {
  const auto oldest = std::min_element(
      entries.begin(), entries.end(),
      [](const Entry &a, const Entry &b) { return a.used < b.used; });
  *oldest = Entry();
  return size_t(oldest - entries.begin());
}

void PrefixCache::set(size_t entry, const Tokens &prompt, int64_t length) {
  entries[entry].tokens.assign(prompt.begin(), prompt.begin() + length);
  entries[entry].used = ++clock;
}

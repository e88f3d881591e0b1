//===- PrefixCache.h - which prompts' states are kept -----------*- C++ -*-===//
//
// Decides what is worth keeping; holds tokens, not states. States of recurrent
// layers cannot be cut, so a kept prefix serves only prompts that begin with
// all of it. As in Marconi (Pan et al., "Marconi: Prefix Caching for the Era of
// Hybrid LLMs", MLSys 2025), a prompt's states are kept near its end, for who
// goes on from there, and where it parts from an earlier prompt, since two have
// shared that much.
//
// Prefixes end at multiples of a piece, the unit of prefill: a prompt that
// starts from a kept prefix is then computed in the same pieces as one that
// does not, and gives the same bits.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_SERVING_PREFIXCACHE_H
#define HYBRID_LIB_SERVING_PREFIXCACHE_H

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace hybrid::serving {

class PrefixCache {
public:
  using Tokens = std::vector<int64_t>;

  /// Keeps at most `entries` prefixes. `canCut`: states can be cut to any
  /// earlier piece (models with KV caches only).
  PrefixCache(size_t entries, int64_t piece, bool canCut)
      : entries(entries), piece(piece), canCut(canCut) {}

  struct Hit {
    size_t entry = 0;
    int64_t length = 0; ///< tokens that agree, in whole pieces; 0: no hit
  };

  /// What a prompt should do.
  struct Plan {
    Hit hit;             ///< where to start from
    int64_t branch = 0;  ///< keep when so many tokens are in (0: don't),
    int64_t lasting = 0; ///< and then (0: don't)
  };

  /// Plans a prompt, and remembers it. Always leaves a token to be computed.
  Plan plan(const Tokens &prompt);

  /// The entry for the states of the prompt's first `length` tokens: the least
  /// recently used one. It holds nothing until set().
  size_t replace();
  void set(size_t entry, const Tokens &prompt, int64_t length);

  /// Forgets an entry whose states could not be made or used.
  void drop(size_t entry) { entries[entry] = Entry(); }

  size_t size() const { return entries.size(); }

private:
  struct Entry {
    Tokens tokens;
    uint64_t used = 0;
  };

  Hit find(const Tokens &prompt);
  int64_t branchOf(const Tokens &prompt) const;
  int64_t wholePieces(int64_t length) const { return length / piece * piece; }

  std::vector<Entry> entries;
  int64_t piece;
  bool canCut;
  uint64_t clock = 0;
  std::deque<Tokens> recent; ///< prompts of at least a piece
};

} // namespace hybrid::serving

#endif // HYBRID_LIB_SERVING_PREFIXCACHE_H

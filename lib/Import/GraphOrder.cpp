//===- GraphOrder.cpp - Order of the nodes of an ONNX graph ---------------===//
//
// Kahn's algorithm with the smallest ready index first, which keeps the order
// of a file that is already sorted.
//
//===----------------------------------------------------------------------===//

#include "GraphOrder.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <queue>

using namespace llvm;
using namespace hybrid;

std::string hybrid::describeNode(const hybrid_onnx::Node &node) {
  std::string name = node.name();
  for (int i = 0; name.empty() && i < node.output_size(); ++i)
    name = node.output(i);
  return "node '" + name + "' (" + node.op_type() + ")";
}

/// The names that `graph` uses but does not define, added to `free`.
static void collectFreeNames(const hybrid_onnx::Graph &graph,
                             StringSet<> &free);

static void collectUsedNames(const hybrid_onnx::Node &node, StringSet<> &used) {
  for (const std::string &name : node.input())
    if (!name.empty())
      used.insert(name);
  for (const hybrid_onnx::Attribute &attribute : node.attribute()) {
    if (attribute.has_g())
      collectFreeNames(attribute.g(), used);
    for (const hybrid_onnx::Graph &graph : attribute.graphs())
      collectFreeNames(graph, used);
  }
}

static void collectFreeNames(const hybrid_onnx::Graph &graph,
                             StringSet<> &free) {
  StringSet<> used, defined;
  for (const hybrid_onnx::Node &node : graph.node()) {
    collectUsedNames(node, used);
    for (const std::string &name : node.output())
      defined.insert(name);
  }
  for (const hybrid_onnx::ValueInfo &output : graph.output())
    used.insert(output.name());
  for (const hybrid_onnx::ValueInfo &input : graph.input())
    defined.insert(input.name());
  for (const hybrid_onnx::Tensor &initializer : graph.initializer())
    defined.insert(initializer.name());
  for (const auto &name : used)
    if (!defined.contains(name.first()))
      free.insert(name.first());
}

namespace {
/// Edges between the nodes of one graph.
struct Dependencies {
  explicit Dependencies(const NodeList &nodes);

  /// For each node, the nodes that must come before it, and after it.
  std::vector<SmallVector<int, 4>> before, after;
};
} // namespace

Dependencies::Dependencies(const NodeList &nodes)
    : before(nodes.size()), after(nodes.size()) {
  StringMap<int> producers;
  for (int i = 0; i < nodes.size(); ++i)
    for (const std::string &name : nodes[i].output())
      if (!name.empty())
        producers.try_emplace(name, i);
  for (int i = 0; i < nodes.size(); ++i) {
    StringSet<> used;
    collectUsedNames(nodes[i], used);
    DenseSet<int> seen;
    for (const auto &name : used) {
      auto producer = producers.find(name.first());
      if (producer == producers.end() || !seen.insert(producer->second).second)
        continue;
      before[i].push_back(producer->second);
      after[producer->second].push_back(i);
    }
  }
}

/// Follows unplaced predecessors from an unplaced node until one repeats.
static SmallVector<int> findCycle(const Dependencies &edges,
                                  ArrayRef<bool> placed) {
  SmallVector<int> walk;
  DenseMap<int, size_t> position;
  int node = find(placed, false) - placed.begin();
  while (position.try_emplace(node, walk.size()).second) {
    walk.push_back(node);
    node = *find_if(edges.before[node], [&](int i) { return !placed[i]; });
  }
  SmallVector<int> cycle(walk.begin() + position[node], walk.end());
  // The walk went against the flow of data.
  std::reverse(cycle.begin(), cycle.end());
  return cycle;
}

SmallVector<int>
hybrid::orderNodes(const NodeList &nodes,
                   function_ref<void(ArrayRef<int>)> reportCycle) {
  Dependencies edges(nodes);
  std::vector<size_t> waiting(nodes.size());
  std::priority_queue<int, std::vector<int>, std::greater<int>> ready;
  for (int i = 0; i < nodes.size(); ++i) {
    waiting[i] = edges.before[i].size();
    if (waiting[i] == 0)
      ready.push(i);
  }
  SmallVector<int> order;
  SmallVector<bool> placed(nodes.size(), false);
  while (!ready.empty()) {
    int node = ready.top();
    ready.pop();
    order.push_back(node);
    placed[node] = true;
    for (int next : edges.after[node])
      if (--waiting[next] == 0)
        ready.push(next);
  }
  if (order.size() < static_cast<size_t>(nodes.size()))
    reportCycle(findCycle(edges, placed));
  return order;
}

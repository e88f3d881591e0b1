//===- SymbolicAlgebra.cpp - Canonical expressions over symbols -----------===//

#include "SymbolicAlgebra.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;
using namespace hybrid::onnx;

/// Larger polynomials are as good as unknown.
static constexpr size_t kMaxTerms = 128;
static constexpr size_t kMaxDegree = 16;
/// Divisions and maxima nest no further than this many atoms in all.
static constexpr unsigned kMaxAtomCost = 256;
/// Replacements within each other, and in all, that a proof may try.
static constexpr unsigned kMaxProofDepth = 4;
static constexpr unsigned kMaxProofSteps = 200;

//===----------------------------------------------------------------------===//
// Symbols
//===----------------------------------------------------------------------===//

AffineExpr SymbolicAlgebra::addSymbol(SymbolInfo info) {
  unsigned number = symbols.size();
  symbolByName[info.name] = number;
  symbols.push_back(std::move(info));
  return getAffineSymbolExpr(number, context);
}

AffineExpr SymbolicAlgebra::lookup(StringRef name) const {
  auto found = symbolByName.find(name);
  if (found == symbolByName.end())
    return AffineExpr();
  return getAffineSymbolExpr(found->second, context);
}

std::string SymbolicAlgebra::uniqueName(StringRef stem) {
  std::string name = stem.str();
  for (unsigned i = 0; name.empty() || symbolByName.contains(name); ++i)
    name = (stem + Twine(i)).str();
  return name;
}

void SymbolicAlgebra::rename(unsigned i, StringRef name) {
  symbolByName.erase(symbols[i].name);
  symbols[i].name = uniqueName(name);
  symbolByName[symbols[i].name] = i;
}

void SymbolicAlgebra::substitute(unsigned i, AffineExpr expr) {
  substitution[i] = expr;
  polyCache.clear();
  minimumCache.clear();
}

AffineExpr SymbolicAlgebra::renumbered(AffineExpr expr) const {
  return expr ? expr.replaceSymbols(renumbering) : expr;
}

bool SymbolicAlgebra::anyDropped(AffineExpr expr) const {
  bool dropped = false;
  if (expr)
    expr.walk([&](AffineExpr part) {
      if (auto symbol = dyn_cast<AffineSymbolExpr>(part))
        dropped |= !renumbering[symbol.getPosition()];
    });
  return dropped;
}

void SymbolicAlgebra::renumber(ArrayRef<unsigned> order) {
  renumbering.assign(symbols.size(), AffineExpr());
  for (auto [position, i] : llvm::enumerate(order))
    renumbering[i] = getAffineSymbolExpr(position, context);
  std::vector<SymbolInfo> kept;
  for (unsigned i : order) {
    SymbolInfo &symbol = kept.emplace_back(symbols[i]);
    symbol.lhs = renumbered(symbol.lhs);
    symbol.rhs = renumbered(symbol.rhs);
  }
  symbols = std::move(kept);
  symbolByName.clear();
  extrema.clear();
  for (auto [i, symbol] : llvm::enumerate(symbols)) {
    symbolByName[symbol.name] = i;
    if (symbol.kind == SymbolInfo::Kind::Max ||
        symbol.kind == SymbolInfo::Kind::Min)
      extrema[{static_cast<int>(symbol.kind), symbol.lhs.getAsOpaquePointer(),
               symbol.rhs.getAsOpaquePointer()}] =
          getAffineSymbolExpr(i, context);
  }
  substitution.clear();
  atoms.clear();
  atomCosts.clear();
  atomNumbers.clear();
  minimumCache.clear();
  polyCache.clear();
}

//===----------------------------------------------------------------------===//
// Polynomials
//===----------------------------------------------------------------------===//

/// Higher degree first, then smaller atoms first; the constant comes last. The
/// order agrees with multiplication, which polynomial division needs.
bool SymbolicAlgebra::MonomialOrder::operator()(const Monomial &a,
                                                const Monomial &b) const {
  if (a.size() != b.size())
    return a.size() > b.size();
  return a < b;
}

unsigned SymbolicAlgebra::atomNumber(AffineExpr atom, unsigned cost) {
  auto [found, inserted] = atomNumbers.try_emplace(atom, atoms.size());
  if (inserted) {
    atoms.push_back(atom);
    atomCosts.push_back(cost);
  }
  return found->second;
}

unsigned SymbolicAlgebra::costOf(const Poly &poly) const {
  unsigned cost = 1;
  for (const auto &[monomial, coefficient] : poly)
    for (unsigned atom : monomial)
      cost += atomCosts[atom];
  return cost;
}

SymbolicAlgebra::Poly SymbolicAlgebra::constantPoly(int64_t value) {
  Poly poly;
  if (value != 0)
    poly[{}] = value;
  return poly;
}

SymbolicAlgebra::Poly SymbolicAlgebra::atomPoly(AffineExpr atom,
                                                unsigned cost) {
  Poly poly;
  poly[{atomNumber(atom, cost)}] = 1;
  return poly;
}

std::optional<int64_t> SymbolicAlgebra::constantOf(const Poly &poly) {
  if (poly.empty())
    return 0;
  if (poly.size() == 1 && poly.begin()->first.empty())
    return poly.begin()->second;
  return std::nullopt;
}

/// a + factor * b
SymbolicAlgebra::MaybePoly
SymbolicAlgebra::addPoly(const Poly &a, const Poly &b, int64_t factor) {
  Poly sum = a;
  for (const auto &[monomial, coefficient] : b) {
    auto scaled = llvm::checkedMul(coefficient, factor);
    if (!scaled)
      return std::nullopt;
    int64_t &slot = sum[monomial];
    auto total = llvm::checkedAdd(slot, *scaled);
    if (!total)
      return std::nullopt;
    slot = *total;
    if (slot == 0)
      sum.erase(monomial);
  }
  if (sum.size() > kMaxTerms)
    return std::nullopt;
  return sum;
}

SymbolicAlgebra::MaybePoly SymbolicAlgebra::scalePoly(const Poly &a,
                                                      int64_t factor) {
  return addPoly(Poly(), a, factor);
}

SymbolicAlgebra::MaybePoly SymbolicAlgebra::mulPoly(const Poly &a,
                                                    const Poly &b) {
  if (a.size() * b.size() > kMaxTerms * 4)
    return std::nullopt;
  Poly product;
  for (const auto &[left, x] : a)
    for (const auto &[right, y] : b) {
      auto scaled = llvm::checkedMul(x, y);
      Monomial monomial = left;
      monomial.append(right);
      if (!scaled || monomial.size() > kMaxDegree)
        return std::nullopt;
      llvm::sort(monomial);
      MaybePoly sum = addPoly(product, Poly{{monomial, *scaled}}, 1);
      if (!sum)
        return std::nullopt;
      product = std::move(*sum);
    }
  return product;
}

SymbolicAlgebra::MaybePoly SymbolicAlgebra::symbolPoly(unsigned i) {
  auto found = substitution.find(i);
  if (found != substitution.end())
    return toPoly(found->second);
  unsigned cost = 1;
  const SymbolInfo &symbol = symbols[i];
  if (symbol.kind == SymbolInfo::Kind::Max ||
      symbol.kind == SymbolInfo::Kind::Min)
    for (AffineExpr operand : {symbol.lhs, symbol.rhs})
      if (MaybePoly poly = toPoly(operand))
        cost += costOf(*poly);
  return atomPoly(getAffineSymbolExpr(i, context), cost);
}

SymbolicAlgebra::MaybePoly SymbolicAlgebra::toPoly(AffineExpr expr) {
  auto found = polyCache.find(expr);
  if (found != polyCache.end())
    return found->second;
  MaybePoly poly = computePoly(expr);
  polyCache.emplace(expr, poly);
  return poly;
}

SymbolicAlgebra::MaybePoly SymbolicAlgebra::computePoly(AffineExpr expr) {
  if (auto value = dyn_cast<AffineConstantExpr>(expr))
    return constantPoly(value.getValue());
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return symbolPoly(symbol.getPosition());
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return std::nullopt;
  MaybePoly left = toPoly(binary.getLHS());
  MaybePoly right = toPoly(binary.getRHS());
  if (!left || !right)
    return std::nullopt;
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return addPoly(*left, *right, 1);
  case AffineExprKind::Mul:
    return mulPoly(*left, *right);
  case AffineExprKind::FloorDiv:
    return floorDivPoly(*left, *right);
  case AffineExprKind::CeilDiv: {
    MaybePoly negated = scalePoly(*left, -1);
    MaybePoly quotient =
        negated ? floorDivPoly(*negated, *right) : std::nullopt;
    return quotient ? scalePoly(*quotient, -1) : std::nullopt;
  }
  case AffineExprKind::Mod: {
    MaybePoly quotient = floorDivPoly(*left, *right);
    MaybePoly multiple = quotient ? mulPoly(*quotient, *right) : std::nullopt;
    return multiple ? addPoly(*left, *multiple, -1) : std::nullopt;
  }
  default:
    return std::nullopt;
  }
}

AffineExpr SymbolicAlgebra::toExpr(const Poly &poly) {
  AffineExpr sum = constant(0);
  for (const auto &[monomial, coefficient] : poly) {
    AffineExpr product = constant(1);
    for (unsigned atom : monomial)
      product = product * atoms[atom];
    sum = sum + product * coefficient;
  }
  return sum;
}

//===----------------------------------------------------------------------===//
// Division
//===----------------------------------------------------------------------===//

/// `a` without the atoms of `b`; nullopt if `b` has one that `a` lacks.
template <typename Monomial>
static std::optional<Monomial> divideMonomial(const Monomial &a,
                                              const Monomial &b) {
  Monomial rest;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(),
                      std::back_inserter(rest));
  if (rest.size() + b.size() != a.size())
    return std::nullopt;
  return rest;
}

/// q with a = q * b, if there is one.
std::optional<SymbolicAlgebra::Poly>
SymbolicAlgebra::divideExactly(const Poly &a, const Poly &b) {
  Poly rest = a, quotient;
  const auto &[leadMonomial, leadCoefficient] = *b.begin();
  // Each step removes the leading term of what is left.
  for (size_t step = 0; !rest.empty() && step < kMaxTerms; ++step) {
    const auto &[monomial, coefficient] = *rest.begin();
    std::optional<Monomial> factor = divideMonomial(monomial, leadMonomial);
    if (!factor || coefficient % leadCoefficient != 0)
      return std::nullopt;
    Poly term{{*factor, coefficient / leadCoefficient}};
    MaybePoly product = mulPoly(term, b);
    MaybePoly sum = addPoly(quotient, term, 1);
    MaybePoly remaining = product ? addPoly(rest, *product, -1) : std::nullopt;
    if (!sum || !remaining)
      return std::nullopt;
    quotient = std::move(*sum);
    rest = std::move(*remaining);
  }
  if (!rest.empty())
    return std::nullopt;
  return quotient;
}

SymbolicAlgebra::MaybePoly SymbolicAlgebra::floorDivPoly(const Poly &a,
                                                         const Poly &b) {
  if (b.empty())
    return std::nullopt;
  if (std::optional<int64_t> divisor = constantOf(b)) {
    if (*divisor > 0)
      return floorDivConstant(a, *divisor);
    MaybePoly negated = scalePoly(a, -1);
    if (!negated || *divisor == INT64_MIN)
      return std::nullopt;
    return floorDivConstant(std::move(*negated), -*divisor);
  }
  if (std::optional<Poly> exact = divideExactly(a, b))
    return *exact;
  return divisionPoly(a, b);
}

/// A division as an atom, unless MLIR's own simplification makes it something
/// else.
SymbolicAlgebra::MaybePoly SymbolicAlgebra::divisionPoly(const Poly &a,
                                                         const Poly &b) {
  unsigned cost = costOf(a) + costOf(b);
  if (cost > kMaxAtomCost)
    return std::nullopt;
  AffineExpr division = toExpr(a).floorDiv(toExpr(b));
  if (division.getKind() == AffineExprKind::FloorDiv)
    return atomPoly(division, cost);
  return toPoly(division);
}

/// Takes what is divisible out of the division.
SymbolicAlgebra::MaybePoly SymbolicAlgebra::floorDivConstant(Poly numerator,
                                                             int64_t divisor) {
  if (divisor == 1)
    return numerator;
  Poly quotient, rest;
  for (const auto &[monomial, coefficient] : numerator) {
    int64_t whole = monomial.empty()
                        ? llvm::divideFloorSigned(coefficient, divisor)
                        : coefficient / divisor;
    int64_t left = coefficient - whole * divisor;
    if (whole != 0)
      quotient[monomial] = whole;
    if (left != 0)
      rest[monomial] = left;
  }
  // What remains lies in [0, divisor) if it is constant.
  if (constantOf(rest))
    return quotient;
  MaybePoly reduced = reducedFloorDiv(std::move(rest), divisor);
  return reduced ? addPoly(quotient, *reduced, 1) : std::nullopt;
}

/// All coefficients are smaller than the divisor here, and not all terms are
/// constant.
SymbolicAlgebra::MaybePoly SymbolicAlgebra::reducedFloorDiv(Poly numerator,
                                                            int64_t divisor) {
  // floor(-x / c) = -floor((x + c - 1) / c): one form for both signs.
  if (numerator.begin()->second < 0) {
    MaybePoly negated = scalePoly(numerator, -1);
    MaybePoly shifted = negated
                            ? addPoly(*negated, constantPoly(divisor - 1), 1)
                            : std::nullopt;
    MaybePoly quotient =
        shifted ? floorDivConstant(*shifted, divisor) : std::nullopt;
    return quotient ? scalePoly(*quotient, -1) : std::nullopt;
  }
  int64_t offset = 0;
  int64_t common = divisor;
  for (const auto &[monomial, coefficient] : numerator)
    if (monomial.empty())
      offset = coefficient;
    else
      common = std::gcd(common, coefficient);
  if (common > 1) {
    // floor((g x + k) / (g c)) = floor((x + floor(k / g)) / c)
    Poly smaller;
    for (const auto &[monomial, coefficient] : numerator)
      if (!monomial.empty())
        smaller[monomial] = coefficient / common;
    if (int64_t constant = llvm::divideFloorSigned(offset, common))
      smaller[{}] = constant;
    return floorDivConstant(std::move(smaller), divisor / common);
  }
  // floor((floor(x / a) + k) / c) = floor((x + a k) / (a c))
  const auto &[first, coefficient] = *numerator.begin();
  bool alone = numerator.size() == 1 + (offset != 0);
  if (alone && coefficient == 1 && first.size() == 1) {
    AffineExpr atom = atoms[first.front()];
    auto inner = dyn_cast<AffineBinaryOpExpr>(atom);
    auto innerDivisor =
        inner ? dyn_cast<AffineConstantExpr>(inner.getRHS()) : nullptr;
    if (innerDivisor && atom.getKind() == AffineExprKind::FloorDiv) {
      auto product = llvm::checkedMul(innerDivisor.getValue(), divisor);
      auto scaled = llvm::checkedMul(innerDivisor.getValue(), offset);
      MaybePoly x = toPoly(inner.getLHS());
      MaybePoly sum =
          x && scaled ? addPoly(*x, constantPoly(*scaled), 1) : std::nullopt;
      if (!sum || !product)
        return std::nullopt;
      return floorDivConstant(std::move(*sum), *product);
    }
  }
  MaybePoly room = addPoly(constantPoly(divisor - 1), numerator, -1);
  if (room && prove(numerator) && prove(*room))
    return Poly();
  return divisionPoly(numerator, constantPoly(divisor));
}

//===----------------------------------------------------------------------===//
// Proofs
//===----------------------------------------------------------------------===//

std::optional<int64_t> SymbolicAlgebra::atomMinimum(unsigned atom) {
  auto found = minimumCache.find(atom);
  if (found != minimumCache.end())
    return found->second;
  std::optional<int64_t> minimum;
  AffineExpr expr = atoms[atom];
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    if (symbols[symbol.getPosition()].minimum != kNoMinimum)
      minimum = symbols[symbol.getPosition()].minimum;
  } else if (auto division = dyn_cast<AffineBinaryOpExpr>(expr)) {
    MaybePoly numerator = toPoly(division.getLHS());
    std::optional<int64_t> bound =
        numerator ? lowerBound(*numerator) : std::nullopt;
    auto divisor = dyn_cast<AffineConstantExpr>(division.getRHS());
    if (bound && divisor)
      minimum = llvm::divideFloorSigned(*bound, divisor.getValue());
    else if (bound && *bound >= 0)
      minimum = 0; // the divisor is a size
  }
  minimumCache[atom] = minimum;
  return minimum;
}

/// Of sums of products of atoms that are never negative.
std::optional<int64_t> SymbolicAlgebra::lowerBound(const Poly &poly) {
  int64_t bound = 0;
  for (const auto &[monomial, coefficient] : poly) {
    int64_t term = coefficient;
    for (unsigned atom : monomial) {
      std::optional<int64_t> minimum = atomMinimum(atom);
      bool monotone =
          coefficient > 0 && minimum && (*minimum >= 0 || monomial.size() == 1);
      auto product = monotone ? llvm::checkedMul(term, *minimum) : std::nullopt;
      if (!product)
        return std::nullopt;
      term = *product;
    }
    auto sum = llvm::checkedAdd(bound, term);
    if (!sum)
      return std::nullopt;
    bound = *sum;
  }
  return bound;
}

SymbolicAlgebra::MaybePoly SymbolicAlgebra::replaceAtom(const Poly &poly,
                                                        unsigned atom,
                                                        const Poly &value) {
  Poly result;
  for (const auto &[monomial, coefficient] : poly) {
    Poly term{{{}, coefficient}};
    for (unsigned factor : monomial) {
      Poly single{{{factor}, 1}};
      MaybePoly product = mulPoly(term, factor == atom ? value : single);
      if (!product)
        return std::nullopt;
      term = std::move(*product);
    }
    MaybePoly sum = addPoly(result, term, 1);
    if (!sum)
      return std::nullopt;
    result = std::move(*sum);
  }
  return result;
}

/// Writes every atom as its minimum plus something that is not negative: if no
/// coefficient is negative then, neither is the sum.
bool SymbolicAlgebra::isNonNegativeAfterShift(const Poly &poly) {
  MaybePoly shifted = poly;
  SmallVector<unsigned> used;
  for (const auto &[monomial, coefficient] : poly)
    used.append(monomial.begin(), monomial.end());
  llvm::sort(used);
  used.erase(llvm::unique(used), used.end());
  for (unsigned atom : used) {
    std::optional<int64_t> minimum = atomMinimum(atom);
    if (!minimum)
      return false;
    Poly value{{{atom}, 1}};
    if (*minimum != 0)
      value[{}] = *minimum;
    shifted = replaceAtom(*shifted, atom, value);
    if (!shifted)
      return false;
  }
  return llvm::all_of(*shifted,
                      [](const auto &term) { return term.second >= 0; });
}

/// Replaces one division, maximum or minimum by what bounds it.
bool SymbolicAlgebra::isNonNegativeByAtom(const Poly &poly, unsigned atom,
                                          unsigned depth) {
  auto found = poly.find(Monomial{atom});
  bool linear =
      found != poly.end() && llvm::none_of(poly, [&](const auto &term) {
        return term.first.size() > 1 && llvm::is_contained(term.first, atom);
      });
  if (!linear)
    return false;
  int64_t coefficient = found->second;
  auto holdsWith = [&](AffineExpr value) {
    MaybePoly replacement = toPoly(value);
    MaybePoly replaced =
        replacement ? replaceAtom(poly, atom, *replacement) : std::nullopt;
    return replaced && isNonNegative(*replaced, depth + 1);
  };
  if (auto symbol = dyn_cast<AffineSymbolExpr>(atoms[atom])) {
    const SymbolInfo &info = symbols[symbol.getPosition()];
    bool isMax = info.kind == SymbolInfo::Kind::Max;
    if (!isMax && info.kind != SymbolInfo::Kind::Min)
      return false;
    // A larger bound on one side is enough; on the other both must hold.
    if (isMax == (coefficient > 0))
      return holdsWith(info.lhs) || holdsWith(info.rhs);
    return holdsWith(info.lhs) && holdsWith(info.rhs);
  }
  auto division = dyn_cast<AffineBinaryOpExpr>(atoms[atom]);
  auto divisor =
      division ? dyn_cast<AffineConstantExpr>(division.getRHS()) : nullptr;
  if (!divisor)
    return false;
  // n - c + 1 <= c * floor(n / c) <= n
  MaybePoly numerator = toPoly(division.getLHS());
  Poly rest = poly;
  rest.erase(Monomial{atom});
  MaybePoly scaled = scalePoly(rest, divisor.getValue());
  MaybePoly bounded = numerator && scaled
                          ? addPoly(*scaled, *numerator, coefficient)
                          : std::nullopt;
  if (bounded && coefficient > 0) {
    auto slack = llvm::checkedMul(coefficient, divisor.getValue() - 1);
    bounded =
        slack ? addPoly(*bounded, constantPoly(*slack), -1) : std::nullopt;
  }
  return bounded && isNonNegative(*bounded, depth + 1);
}

bool SymbolicAlgebra::isNonNegative(const Poly &poly, unsigned depth) {
  if (isNonNegativeAfterShift(poly))
    return true;
  if (depth >= kMaxProofDepth || proofSteps == 0)
    return false;
  --proofSteps;
  SmallVector<unsigned> candidates;
  for (const auto &[monomial, coefficient] : poly)
    if (monomial.size() == 1)
      candidates.push_back(monomial.front());
  return llvm::any_of(candidates, [&](unsigned atom) {
    return isNonNegativeByAtom(poly, atom, depth);
  });
}

/// A proof of its own, also within another one.
bool SymbolicAlgebra::prove(const Poly &poly) {
  unsigned outer = std::exchange(proofSteps, kMaxProofSteps);
  bool proven = isNonNegative(poly);
  proofSteps = outer;
  return proven;
}

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

std::optional<int64_t> SymbolicAlgebra::constantValue(AffineExpr expr) {
  auto constant = dyn_cast_or_null<AffineConstantExpr>(expr);
  if (!constant)
    return std::nullopt;
  return constant.getValue();
}

AffineExpr SymbolicAlgebra::constant(int64_t value) const {
  return getAffineConstantExpr(value, context);
}

AffineExpr SymbolicAlgebra::canonical(AffineExpr expr) {
  return expr ? toExpr(toPoly(expr)) : expr;
}

AffineExpr SymbolicAlgebra::add(AffineExpr a, AffineExpr b) {
  MaybePoly x = a ? toPoly(a) : std::nullopt, y = b ? toPoly(b) : std::nullopt;
  return x && y ? toExpr(addPoly(*x, *y, 1)) : AffineExpr();
}

AffineExpr SymbolicAlgebra::sub(AffineExpr a, AffineExpr b) {
  MaybePoly x = a ? toPoly(a) : std::nullopt, y = b ? toPoly(b) : std::nullopt;
  return x && y ? toExpr(addPoly(*x, *y, -1)) : AffineExpr();
}

AffineExpr SymbolicAlgebra::neg(AffineExpr a) { return sub(constant(0), a); }

AffineExpr SymbolicAlgebra::mul(AffineExpr a, AffineExpr b) {
  MaybePoly x = a ? toPoly(a) : std::nullopt, y = b ? toPoly(b) : std::nullopt;
  return x && y ? toExpr(mulPoly(*x, *y)) : AffineExpr();
}

AffineExpr SymbolicAlgebra::floorDiv(AffineExpr a, AffineExpr b) {
  MaybePoly x = a ? toPoly(a) : std::nullopt, y = b ? toPoly(b) : std::nullopt;
  return x && y ? toExpr(floorDivPoly(*x, *y)) : AffineExpr();
}

AffineExpr SymbolicAlgebra::ceilDiv(AffineExpr a, AffineExpr b) {
  return neg(floorDiv(neg(a), b));
}

AffineExpr SymbolicAlgebra::mod(AffineExpr a, AffineExpr b) {
  return sub(a, mul(b, floorDiv(a, b)));
}

AffineExpr SymbolicAlgebra::truncDiv(AffineExpr a, AffineExpr b) {
  if (!isAtLeast(b, 1)) {
    // The other sign of the divisor, if that is known.
    AffineExpr flipped = neg(b);
    return isAtLeast(flipped, 1) ? neg(truncDiv(a, flipped)) : AffineExpr();
  }
  if (isAtLeast(a, 0))
    return floorDiv(a, b);
  AffineExpr negated = neg(a);
  return isAtLeast(negated, 0) ? neg(floorDiv(negated, b)) : AffineExpr();
}

bool SymbolicAlgebra::isEqual(AffineExpr a, AffineExpr b) {
  if (!a || !b)
    return false;
  return a == b || constantValue(sub(a, b)) == 0;
}

bool SymbolicAlgebra::isAtLeast(AffineExpr expr, int64_t bound) {
  return isAtLeast(expr, constant(bound));
}

bool SymbolicAlgebra::isAtLeast(AffineExpr a, AffineExpr b) {
  AffineExpr difference = sub(a, b);
  MaybePoly poly = difference ? toPoly(difference) : std::nullopt;
  return poly && prove(*poly);
}

bool SymbolicAlgebra::isDifferent(AffineExpr a, AffineExpr b) {
  AffineExpr difference = sub(a, b);
  return difference &&
         (isAtLeast(difference, 1) || isAtLeast(neg(difference), 1));
}

AffineExpr SymbolicAlgebra::extremum(SymbolInfo::Kind kind, AffineExpr a,
                                     AffineExpr b) {
  MaybePoly x = toPoly(a), y = toPoly(b);
  if (!x || !y || costOf(*x) + costOf(*y) > kMaxAtomCost)
    return AffineExpr();
  // One order of the operands, so that max(a, b) is max(b, a).
  if (*y < *x) {
    std::swap(a, b);
    std::swap(x, y);
  }
  std::tuple key{static_cast<int>(kind), a.getAsOpaquePointer(),
                 b.getAsOpaquePointer()};
  if (AffineExpr known = extrema[key])
    return known;
  bool isMax = kind == SymbolInfo::Kind::Max;
  std::optional<int64_t> lowA = lowerBound(*x), lowB = lowerBound(*y);
  int64_t minimum = kNoMinimum;
  if (isMax)
    minimum = std::max(lowA.value_or(kNoMinimum), lowB.value_or(kNoMinimum));
  else if (lowA && lowB)
    minimum = std::min(*lowA, *lowB);
  std::string name =
      (isMax ? "max(" : "min(") + print(a) + ", " + print(b) + ")";
  constexpr size_t kMaxName = 100;
  if (name.size() > kMaxName)
    name = isMax ? "max" : "min";
  return extrema[key] = addSymbol({kind, uniqueName(name), Value(),
                                   /*index=*/0, a, b, minimum});
}

AffineExpr SymbolicAlgebra::max(AffineExpr a, AffineExpr b) {
  a = canonical(a);
  b = canonical(b);
  if (!a || !b)
    return AffineExpr();
  if (isAtLeast(a, b))
    return a;
  if (isAtLeast(b, a))
    return b;
  return extremum(SymbolInfo::Kind::Max, a, b);
}

AffineExpr SymbolicAlgebra::min(AffineExpr a, AffineExpr b) {
  a = canonical(a);
  b = canonical(b);
  if (!a || !b)
    return AffineExpr();
  if (isAtLeast(a, b))
    return b;
  if (isAtLeast(b, a))
    return a;
  return extremum(SymbolInfo::Kind::Min, a, b);
}

//===----------------------------------------------------------------------===//
// Unification
//===----------------------------------------------------------------------===//

/// How readily a symbol is given up for an expression over others.
static unsigned priority(const SymbolInfo &symbol) {
  switch (symbol.kind) {
  case SymbolInfo::Kind::ValueDim:
    return 3;
  case SymbolInfo::Kind::Element:
    return 2;
  case SymbolInfo::Kind::InputDim:
    return 1;
  default:
    return 0;
  }
}

/// `poly` without factors that all its terms have.
SymbolicAlgebra::Poly SymbolicAlgebra::primitivePart(const Poly &poly) {
  if (poly.empty())
    return poly;
  int64_t content = 0;
  Monomial common = poly.begin()->first;
  for (const auto &[monomial, coefficient] : poly) {
    content = std::gcd(content, coefficient);
    Monomial shared;
    std::set_intersection(common.begin(), common.end(), monomial.begin(),
                          monomial.end(), std::back_inserter(shared));
    common = shared;
  }
  Poly result;
  for (const auto &[monomial, coefficient] : poly)
    result[*divideMonomial(monomial, common)] = coefficient / content;
  return result;
}

/// What symbol `number`, which occurs alone in `poly` with the given
/// coefficient (1 or -1), must be for `poly` to be 0. Null if it also occurs
/// elsewhere.
AffineExpr SymbolicAlgebra::solveFor(Poly poly, unsigned number,
                                     int64_t coefficient) {
  poly.erase(Monomial{atomNumber(getAffineSymbolExpr(number, context))});
  MaybePoly solution = scalePoly(poly, -coefficient);
  AffineExpr expr = toExpr(solution);
  bool elsewhere = !expr || anySymbol(expr, [&](const SymbolInfo &other) {
    return &other == &symbols[number];
  });
  return elsewhere ? AffineExpr() : expr;
}

bool SymbolicAlgebra::unify(AffineExpr a, AffineExpr b) {
  AffineExpr difference = sub(a, b);
  MaybePoly whole = difference ? toPoly(difference) : std::nullopt;
  if (!whole)
    return false;
  Poly poly = primitivePart(*whole);
  // Derived symbols go first, then those whose replacement is a sum; of equals,
  // the newest.
  std::tuple<unsigned, bool, unsigned> best{0, false, 0};
  AffineExpr replacement;
  for (const auto &[monomial, coefficient] : poly) {
    bool unit = coefficient == 1 || coefficient == -1;
    auto symbol = monomial.size() == 1 && unit
                      ? dyn_cast<AffineSymbolExpr>(atoms[monomial.front()])
                      : AffineSymbolExpr(nullptr);
    if (!symbol || priority(symbols[symbol.getPosition()]) == 0)
      continue;
    unsigned number = symbol.getPosition();
    AffineExpr solution = solveFor(poly, number, coefficient);
    if (!solution)
      continue;
    bool isSum = llvm::all_of(*toPoly(solution),
                              [](const auto &term) { return term.second > 0; });
    std::tuple rank{priority(symbols[number]), isSum, number};
    if (replacement && rank < best)
      continue;
    best = rank;
    replacement = solution;
  }
  if (!replacement)
    return false;
  substitute(std::get<2>(best), replacement);
  return true;
}

bool SymbolicAlgebra::anySymbol(
    AffineExpr expr, llvm::function_ref<bool(const SymbolInfo &)> test) const {
  bool found = false;
  expr.walk([&](AffineExpr part) {
    auto symbol = dyn_cast<AffineSymbolExpr>(part);
    if (!symbol || found)
      return;
    const SymbolInfo &info = symbols[symbol.getPosition()];
    found = test(info) || (info.lhs && anySymbol(info.lhs, test)) ||
            (info.rhs && anySymbol(info.rhs, test));
  });
  return found;
}

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

namespace {
/// Writes an expression with names, fewest parentheses and `-` for negative
/// factors.
class ExprPrinter {
public:
  ExprPrinter(llvm::function_ref<StringRef(unsigned)> name) : name(name) {}

  std::string print(AffineExpr expr) {
    switch (expr.getKind()) {
    case AffineExprKind::Constant:
      return std::to_string(cast<AffineConstantExpr>(expr).getValue());
    case AffineExprKind::SymbolId: {
      StringRef text = name(cast<AffineSymbolExpr>(expr).getPosition());
      bool compound = text.contains(' ') && !text.ends_with(")");
      return compound ? ("(" + text + ")").str() : text.str();
    }
    case AffineExprKind::Add:
      return printSum(cast<AffineBinaryOpExpr>(expr));
    case AffineExprKind::Mul:
      return printBinary(expr, " * ");
    case AffineExprKind::FloorDiv:
      return printBinary(expr, " floordiv ");
    case AffineExprKind::CeilDiv:
      return printBinary(expr, " ceildiv ");
    case AffineExprKind::Mod:
      return printBinary(expr, " mod ");
    case AffineExprKind::DimId:
      return "d" + std::to_string(cast<AffineDimExpr>(expr).getPosition());
    }
    return "?";
  }

private:
  std::string printOperand(AffineExpr expr) {
    std::string text = print(expr);
    bool atom = expr.getKind() == AffineExprKind::Constant ||
                expr.getKind() == AffineExprKind::SymbolId;
    return atom ? text : "(" + text + ")";
  }

  std::string printBinary(AffineExpr expr, StringRef op) {
    auto binary = cast<AffineBinaryOpExpr>(expr);
    bool product = expr.getKind() == AffineExprKind::Mul &&
                   binary.getLHS().getKind() == AffineExprKind::Mul;
    std::string left =
        product ? print(binary.getLHS()) : printOperand(binary.getLHS());
    return left + op.str() + printOperand(binary.getRHS());
  }

  std::string printSum(AffineBinaryOpExpr sum) {
    std::string left = print(sum.getLHS());
    AffineExpr right = sum.getRHS();
    auto constant = dyn_cast<AffineConstantExpr>(right);
    if (constant && constant.getValue() < 0 && constant.getValue() != INT64_MIN)
      return left + " - " + std::to_string(-constant.getValue());
    auto product = dyn_cast<AffineBinaryOpExpr>(right);
    auto factor = product && right.getKind() == AffineExprKind::Mul
                      ? dyn_cast<AffineConstantExpr>(product.getRHS())
                      : AffineConstantExpr();
    if (factor && factor.getValue() == -1)
      return left + " - " + printOperand(product.getLHS());
    if (factor && factor.getValue() < 0 && factor.getValue() != INT64_MIN)
      return left + " - " + printOperand(product.getLHS()) + " * " +
             std::to_string(-factor.getValue());
    return left + " + " + print(right);
  }

  llvm::function_ref<StringRef(unsigned)> name;
};
} // namespace

std::string SymbolicAlgebra::print(AffineExpr expr) const {
  if (!expr)
    return "?";
  auto name = [&](unsigned i) -> StringRef { return symbols[i].name; };
  return ExprPrinter(name).print(expr);
}

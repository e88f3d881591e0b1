//===- TileToGrid.cpp - cut a kernel's work into blocks -------------------===//
//
// One scf.forall over the parallel loops of the kernel's last operation. A
// block should cost a few microseconds: enough to pay for its dispatch, small
// enough that threads stay balanced, and its operands should stay in the L2.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "hybrid/Dialect/Hybrid/Transforms/Products.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/Transforms/TileUsingInterface.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/TilingInterface.h"

#include <numeric>

using namespace mlir;

namespace hybrid {
#define GEN_PASS_DEF_TILETOGRIDPASS
#include "hybrid/Conversion/ScheduleToKernel/Passes.h.inc"

namespace {

/// Elements of an elementwise block; about 10 µs of memory traffic.
constexpr int64_t kElementsPerBlock = 8192;
/// What a dynamic size is taken for when tiles are chosen.
constexpr int64_t kAssumedSize = 64;
/// Output columns and rows of a contraction's block. The rows are a multiple of
/// the 4 or 6 that hybrid-vectorize-contractions keeps in registers.
constexpr int64_t kContractionColumns = 128, kContractionRows = 60;
/// Rows where the weight is in panels: a part of a panel stays in the L1 while
/// all of them pass over it. A multiple of most numbers of rows in registers.
constexpr int64_t kMatmulRows = 168;
/// The same for products on matrix units: rows that share the pieces of a
/// weight, columns that share the rows' way into the L2.
constexpr int64_t kMatrixUnitColumns = 256;
/// The same where a block computes its rows first, each of at most 16 KiB.
constexpr int64_t kPrologueRows = 4;
/// Query rows of an attention block, channels of a convolution block, with
/// channels by tokens and tokens by channels.
constexpr int64_t kAttentionRows = 32, kConvChannels = 16,
                  kConvRowChannels = 128;
/// Blocks of a sequence's attention at least, if it has as many heads.
constexpr int64_t kAttentionBlocks = 4;
/// Value columns of a scan block at most: sequentially, its state should stay
/// in the L1; every block with chunks multiplies queries and keys anew.
constexpr int64_t kScanColumns = 64, kChunkedScanColumns = 128;

/// Columns of a block of an expert product: all its rows read them, of one
/// expert's matrix after the other's.
constexpr int64_t kExpertColumns = 32;
/// Rows of a block that chooses experts.
constexpr int64_t kRouteRows = 16;

/// The same for a GPU's blocks, of which a few times as many as there are
/// multiprocessors (about a hundred) should exist.
namespace device {
constexpr int64_t kElementsPerBlock = 1024, kSumsPerBlock = 64;
/// Output columns and rows of a product's tile, and of one that few rows use.
constexpr int64_t kContractionColumns = 64, kContractionRows = 128;
/// Shared memory of rows that are computed first.
constexpr int64_t kPrologueBytes = 32 << 10;
/// Of a product with few rows: the rows, the blocks that should be had, and the
/// columns that fill the sectors of memory.
constexpr int64_t kFewRows = 8, kFewRowsBlocks = 264, kLeastColumns = 16;
constexpr int64_t kAttentionRows = 8, kConvChannels = 16, kScanColumns = 64;
constexpr int64_t kExpertColumns = 8, kRouteRows = 32;
/// Elements of a row from which a norm's block has one row only.
constexpr int64_t kNormElements = 512;
} // namespace device

class TileChooser {
public:
  TileChooser(TilingInterface op, bool forDevice)
      : op(op), forDevice(forDevice) {
    OpBuilder builder(op);
    for (Range range : op.getIterationDomain(builder)) {
      auto size = getConstantIntValue(range.size);
      extents.push_back(size ? *size : ShapedType::kDynamic);
    }
    types = op.getLoopIteratorTypes();
  }

  SmallVector<int64_t> choose(DestinationStyleOpInterface contraction);

private:
  int64_t extent(unsigned i) const {
    return ShapedType::isDynamic(extents[i]) ? kAssumedSize
                                             : std::max<int64_t>(extents[i], 1);
  }
  SmallVector<int64_t> chooseByVolume(int64_t elements);
  SmallVector<int64_t>
  chooseContraction(DestinationStyleOpInterface contraction);
  int64_t chooseHeads(AttentionOp attention);
  int64_t chooseScanColumns(ScanOp scan);
  std::optional<SmallVector<int64_t>> chooseForDevice();
  std::pair<int64_t, int64_t>
  chooseForThreads(DestinationStyleOpInterface contraction, bool hasPrologue);
  int64_t chooseNormRows(Value input, unsigned axis);

  TilingInterface op;
  bool forDevice;
  SmallVector<int64_t> extents;
  SmallVector<utils::IteratorType> types;
};

/// Whole inner loops up to `elements`, then tiles of the loop where that is
/// reached, then single iterations of the outer loops.
SmallVector<int64_t> TileChooser::chooseByVolume(int64_t elements) {
  SmallVector<int64_t> tiles(extents.size(), 0);
  int64_t volume = 1;
  for (unsigned i = 0; i < extents.size() && !forDevice; ++i)
    if (types[i] == utils::IteratorType::reduction)
      volume *= extent(i);
  for (unsigned i = extents.size(); i-- > 0;) {
    if (types[i] == utils::IteratorType::reduction)
      continue;
    if (volume >= elements) {
      tiles[i] = 1;
      continue;
    }
    int64_t wanted = std::max<int64_t>(1, elements / volume);
    volume *= extent(i);
    // A dynamic loop may be much longer than assumed.
    if (volume > elements || ShapedType::isDynamic(extents[i]))
      tiles[i] = wanted;
  }
  return tiles;
}

/// Rows and columns of a GPU block's product. With few rows enough blocks have
/// to stream the matrix at once; rows that a block computes first are kept in
/// shared memory.
std::pair<int64_t, int64_t>
TileChooser::chooseForThreads(DestinationStyleOpInterface contraction,
                              bool hasPrologue) {
  auto rowsType =
      cast<ShapedType>(contraction.getDpsInputs().front().getType());
  int64_t rowBytes = 4 * (rowsType.isDynamicDim(rowsType.getRank() - 1)
                              ? kAssumedSize
                              : rowsType.getShape().back());
  bool hasFewRows =
      op->getParentOfType<func::FuncOp>()->hasAttr("hybrid.few_rows");
  int64_t rows = device::kContractionRows;
  if (hasPrologue)
    rows = std::clamp<int64_t>(device::kPrologueBytes / rowBytes, 1,
                               hasFewRows ? device::kFewRows : rows);
  if (!hasFewRows)
    return {rows, device::kContractionColumns};
  int64_t columns = 1;
  for (unsigned i = 0; i < extents.size(); ++i)
    if (types[i] == utils::IteratorType::parallel)
      columns = extent(i);
  int64_t part = llvm::bit_floor<uint64_t>(
      std::max<int64_t>(columns / device::kFewRowsBlocks, 1));
  return {std::min(rows, device::kFewRows),
          std::clamp(part, device::kLeastColumns, device::kContractionColumns)};
}

SmallVector<int64_t>
TileChooser::chooseContraction(DestinationStyleOpInterface contraction) {
  // `op` is the contraction or its epilogue: its last loop runs over the
  // output's columns, the one before over the rows, others over the batch.
  SmallVector<int64_t> tiles(extents.size(), 0);
  SmallVector<unsigned> parallel;
  for (unsigned i = 0; i < extents.size(); ++i)
    if (types[i] == utils::IteratorType::parallel)
      parallel.push_back(i);
  // What a block computes for itself lies on the stack.
  bool hasPrologue = llvm::any_of(contraction.getDpsInputs(), [](Value input) {
    return input.getDefiningOp<DestinationStyleOpInterface>();
  });
  int64_t rows = hasPrologue ? kPrologueRows : kContractionRows,
          columns = kContractionColumns;
  if (forDevice)
    std::tie(rows, columns) = chooseForThreads(contraction, hasPrologue);
  if (auto matmul = dyn_cast<MatmulOp>(contraction.getOperation())) {
    bool isTiled = matmul.getInput().getType().getRank() == 5;
    rows = hasPrologue && !isTiled ? kPrologueRows : kMatmulRows;
    if (isTiled) {
      rows = kMatrixUnitRows;
      columns = kMatrixUnitColumns;
    }
    columns = llvm::alignTo(columns, matmul.getPanel());
  }
  for (auto [n, i] : llvm::enumerate(llvm::reverse(parallel)))
    tiles[i] = n == 0 ? columns : n == 1 ? rows : 1;
  return tiles;
}

/// Of single rows, heads that share keys together, so that a block reads these
/// once, as long as enough blocks remain.
int64_t TileChooser::chooseHeads(AttentionOp attention) {
  int64_t heads = extents[1],
          shared =
              attention.getKey().getType().getDimSize(attention.getKvHeadDim());
  if (extents[2] != 1 || ShapedType::isDynamic(heads) ||
      ShapedType::isDynamic(shared) || shared < 1)
    return 1;
  for (int64_t part = heads / shared; part > 1; --part)
    if (heads / shared % part == 0 && heads / part >= kAttentionBlocks)
      return part;
  return 1;
}

/// Equal parts if there are some of whole vectors: their size is static.
int64_t TileChooser::chooseScanColumns(ScanOp scan) {
  constexpr int64_t kMultiple = 16;
  bool isSequential =
      scan.getForm().value_or(ScanForm::Sequential) == ScanForm::Sequential;
  int64_t most = isSequential ? kScanColumns : kChunkedScanColumns;
  int64_t columns = extents[2];
  if (ShapedType::isDynamic(columns))
    return most;
  if (columns <= most)
    return std::max<int64_t>(columns, 1);
  for (int64_t part = most; part >= kMultiple; part -= kMultiple)
    if (columns % part == 0)
      return part;
  // The other forms need a static size.
  return isSequential ? most : columns;
}

/// Rows of a norm's block.
int64_t TileChooser::chooseNormRows(Value input, unsigned axis) {
  auto type = cast<ShapedType>(input.getType());
  int64_t elements = 1;
  for (int64_t i = axis; i < type.getRank(); ++i)
    elements *= type.isDynamicDim(i) ? kAssumedSize : type.getDimSize(i);
  return std::max<int64_t>(1, 2 * device::kNormElements / elements);
}

/// Tiles of the operations that threads share in their own ways.
std::optional<SmallVector<int64_t>> TileChooser::chooseForDevice() {
  if (isa<AttentionOp>(op))
    return SmallVector<int64_t>{1, 1, device::kAttentionRows};
  if (auto scan = dyn_cast<ScanOp>(*op)) {
    // Tiles of grouped heads are one head or all. All of them, if their columns
    // are those of a block.
    int64_t columns = std::min(extent(2), device::kScanColumns);
    bool together = !ShapedType::isDynamic(extents[1]) &&
                    extents[1] * extent(2) <= 4 * device::kScanColumns;
    return SmallVector<int64_t>{1, together ? 0 : 1, columns};
  }
  if (isa<CausalConvOp>(op))
    return SmallVector<int64_t>{1, device::kConvChannels};
  if (isa<RouteOp>(op))
    return SmallVector<int64_t>{device::kRouteRows};
  if (isa<ExpertMatMulOp>(op))
    return SmallVector<int64_t>{device::kExpertColumns};
  SmallVector<int64_t> tiles(extents.size(), 1);
  if (auto norm = dyn_cast<NormOp>(*op)) {
    if (!tiles.empty())
      tiles.back() = chooseNormRows(norm.getInput(), norm.getAxis());
    return tiles;
  }
  if (auto norm = dyn_cast<GatedNormOp>(*op)) {
    unsigned rank = norm.getInput().getType().getRank();
    if (!tiles.empty())
      tiles.back() = chooseNormRows(norm.getInput(), rank - 1);
    return tiles;
  }
  if (isa<RopeOp, CacheAppendOp, RingReadOp>(op)) {
    // Rings are not cut over time.
    tiles.assign({1, 1, 16});
    tiles.resize(extents.size());
    return tiles;
  }
  return std::nullopt;
}

SmallVector<int64_t>
TileChooser::choose(DestinationStyleOpInterface contraction) {
  if (forDevice)
    if (auto tiles = chooseForDevice())
      return *tiles;
  if (auto attention = dyn_cast<AttentionOp>(*op))
    return {1, chooseHeads(attention), kAttentionRows};
  if (auto scan = dyn_cast<ScanOp>(*op))
    return {1, 1, chooseScanColumns(scan)};
  if (auto conv = dyn_cast<CausalConvOp>(*op))
    return {1, conv.getLayout() == ConvLayout::BTC ? kConvRowChannels
                                                   : kConvChannels};
  if (isa<RouteOp>(op))
    return {kRouteRows};
  if (isa<PackRowsOp>(op))
    return {kTileGroupRows};
  if (isa<ExpertMatMulOp>(op))
    return {kExpertColumns};
  if (isa<CumSumOp>(op))
    return SmallVector<int64_t>(extents.size(), 1);
  if (isa<NormOp, GatedNormOp>(op)) {
    // Rows: the loops stop before the normalised dimensions.
    SmallVector<int64_t> tiles(extents.size(), 1);
    if (!tiles.empty())
      tiles.back() = 4;
    return tiles;
  }
  if (isa<RopeOp, CacheAppendOp, RingReadOp>(op)) {
    // Rings are not cut over time.
    SmallVector<int64_t> tiles = {1, 1, 64};
    tiles.resize(extents.size());
    return tiles;
  }
  if (contraction)
    return chooseContraction(contraction);
  if (!forDevice)
    return chooseByVolume(kElementsPerBlock);
  // Warps share the terms of a sum: a block has several sums for each.
  return chooseByVolume(
      llvm::is_contained(types, utils::IteratorType::reduction)
          ? device::kSumsPerBlock
          : device::kElementsPerBlock);
}

/// Upstream's tiling divides by the sizes of loops, and a slice of nothing (the
/// state of a convolution of width 1) does not verify.
bool isEmpty(Type type) {
  auto shaped = dyn_cast<ShapedType>(type);
  return shaped && shaped.hasRank() && llvm::is_contained(shaped.getShape(), 0);
}

struct TileToGrid : impl::TileToGridPassBase<TileToGrid> {
  using Base::Base;

  void runOnOperation() override {
    func::FuncOp kernel = getOperation();
    if (!kernel->hasAttr(kKernelAttr))
      return;
    // The last operation is the one whose result is stored.
    TilingInterface root;
    DestinationStyleOpInterface contraction;
    for (Operation &op : kernel.getBody().front()) {
      if (auto tileable = dyn_cast<TilingInterface>(op);
          tileable && isa<DestinationStyleOpInterface>(op))
        root = tileable;
      if (isContraction(&op))
        contraction = cast<DestinationStyleOpInterface>(op);
      // Loops keep their order.
      if (isa<scf::ForOp>(op))
        return;
    }
    if (!root || llvm::any_of(root->getOperandTypes(), isEmpty))
      return;
    SmallVector<int64_t> tiles =
        tileSizes.empty()
            ? TileChooser(root, forDevice).choose(contraction)
            : SmallVector<int64_t>(tileSizes.begin(), tileSizes.end());
    if (llvm::all_of(tiles, [](int64_t t) { return t == 0; }))
      return;
    if (failed(tile(root, tiles, isa_and_present<MatmulOp>(contraction))))
      return signalPassFailure();
    ++numTiled;
  }

  LogicalResult tile(TilingInterface root, ArrayRef<int64_t> tiles,
                     bool rowsLast);
};

/// `rowsLast`: blocks of the same columns are neighbours and run at the same
/// time, so that one of them brings the weight's columns from memory for all.
LogicalResult TileToGrid::tile(TilingInterface root, ArrayRef<int64_t> tiles,
                               bool rowsLast) {
  IRRewriter rewriter(root);
  scf::SCFTileAndFuseOptions options;
  options.tilingOptions.setLoopType(scf::SCFTilingOptions::LoopType::ForallOp);
  options.tilingOptions.setTileSizes(
      getAsIndexOpFoldResult(rewriter.getContext(), tiles));
  if (rowsLast) {
    SmallVector<int64_t> order(tiles.size());
    std::iota(order.begin(), order.end(), 0);
    if (order.size() >= 2)
      std::swap(order[order.size() - 2], order[order.size() - 1]);
    options.tilingOptions.setInterchange(order);
  }
  options.setFusionControlFn(
      [](tensor::ExtractSliceOp, OpResult producer,
         bool) -> std::optional<scf::SCFTileAndFuseOptions::ControlFnResult> {
        if (isEmpty(producer.getType()))
          return std::nullopt;
        return scf::SCFTileAndFuseOptions::ControlFnResult{};
      });
  auto result =
      scf::tileConsumerAndFuseProducersUsingSCF(rewriter, root, options);
  if (failed(result))
    return root->emitError("this operation cannot be cut into tiles");
  for (auto [from, to] : result->replacements)
    rewriter.replaceAllUsesWith(from, to);
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(tiles, os);
  remark::passed(root.getLoc(), remark::RemarkOpts::name("grid").category(
                                    "hybrid-tile-to-grid"))
      << "blocks of [" << text << "]";
  if (isOpTriviallyDead(root))
    rewriter.eraseOp(root);
  return success();
}

} // namespace
} // namespace hybrid

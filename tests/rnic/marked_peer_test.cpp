// A peer that wants markers in what it is sent (RFC 5044 4.2).
#include "iwarp/marked_fpdu.h"
#include "raw_peer.h"

namespace softndk::rnic::test {
namespace {

constexpr std::size_t kOctets = 65536;
constexpr std::uint32_t kSges = 32;
constexpr std::size_t kPage = 4096;

/// What the peer is sent, markers taken out.
class MarkedStream {
 public:
  explicit MarkedStream(RawPeer& raw) : raw_(raw) {}
  /// The next FPDU's ULPDU; empty: the stream ended, or is not what it should be.
  Octets next() {
    // FPDUs begin at multiples of 4 octets, where markers do too, so that none is inside the length.
    Octets octets = raw_.end->read_exactly((position_ % iwarp::kMarkerInterval == 0 ? iwarp::kMarkerBytes : 0) + 2);
    if (octets.size() < 2) return {};
    std::size_t plain = iwarp::fpdu_bytes(load_be16(octets.data() + octets.size() - 2));
    std::uint64_t end = position_;
    while (plain != 0) {
      if (end % iwarp::kMarkerInterval == 0) end += iwarp::kMarkerBytes;
      const std::size_t piece = std::min<std::size_t>(plain, iwarp::kMarkerInterval - end % iwarp::kMarkerInterval);
      end += piece;
      plain -= piece;
    }
    const Octets rest = raw_.end->read_exactly(end - position_ - octets.size());
    octets.insert(octets.end(), rest.begin(), rest.end());
    Octets ulpdu(iwarp::kUlpduBytesMax);
    const auto frame = reader_.next(octets, ulpdu);
    EXPECT_TRUE(frame) << "error " << static_cast<int>(frame.error());
    if (!frame) return {};
    EXPECT_EQ(frame->consumed_bytes, octets.size());
    markers += frame->markers;
    position_ = end;
    ulpdu.resize(frame->ulpdu_bytes);
    return ulpdu;
  }
  std::uint64_t position() const { return position_; }
  std::size_t markers = 0;

 private:
  RawPeer& raw_;
  iwarp::MarkedFpduReader reader_{true};
  std::uint64_t position_ = 0;
};

/// 32 pieces of the buffer, each across the end of one of its extents and most of them out of order.
std::vector<rdma::Sge> scattered(const Buffer& buffer, std::uint32_t bytes_each) {
  std::vector<rdma::Sge> sges;
  for (std::uint32_t i = 0; i < kSges; ++i)
    sges.push_back(buffer.sge((i * 7 % kSges + 1) * kPage - bytes_each / 2, bytes_each));
  return sges;
}
Octets gathered(const Buffer& buffer, const std::vector<rdma::Sge>& sges) {
  const auto all = buffer.content();
  Octets octets;
  for (const rdma::Sge& sge : sges) {
    const auto from = all.begin() + static_cast<std::ptrdiff_t>(sge.address - buffer.address());
    octets.insert(octets.end(), from, from + sge.length_bytes);
  }
  return octets;
}

// Found by reading: a marker is a span, and cuts one in two; an FPDU of 64 KiB needed more than a batch has.
TEST(Markers, APeerThatWantsMarkersIsSentThemInTheLargestMessagesToo) {
  for (const FpduPolicy fpdu : {FpduPolicy::stream, FpduPolicy::aligned}) {
    for (const std::uint32_t each : {2048u, 512u}) {
      SCOPED_TRACE(testing::Message() << (fpdu == FpduPolicy::stream ? "stream" : "aligned") << ", " << each);
      in_every_world(
          [&](io::World& world) {
            Settings settings = patient();
            settings.fpdu = fpdu;
            Scene scene(world, settings, {.sge_max = kSges});
            Buffer goods(*scene.victim.pd, (kSges + 1) * kPage, kAllRights, 0x100000, kSges + 1);
            goods.fill(5);
            iwarp::MpaFrame request = mpa_frame(iwarp::MpaKind::request);
            request.markers = true;
            ASSERT_TRUE(scene.accept_raw(frame_octets(request)));
            ASSERT_TRUE(scene.raw.send(rtr_octets()));
            ASSERT_EQ(scene.victim.wait_established(), CmStatus::success);
            const auto sges = scattered(goods, each);
            rdma::SendWork work;
            work.sges = sges;
            work.remote_token = 0x777;
            for (const rdma::Operation operation : {rdma::Operation::send, rdma::Operation::write}) {
              work.operation = operation;
              ASSERT_TRUE(scene.victim.qp->post_send(work));
            }
            ASSERT_TRUE(scene.raw.send(
                read_request_octets(1, {7, 0, kOctets, goods.region->remote_token(), goods.address(kPage / 2)})));
            Octets written, answered, sent;
            MarkedStream stream(scene.raw);
            while (written.size() + sent.size() < 2 * kSges * each || answered.size() < kOctets) {
              const Octets ulpdu = stream.next();
              ASSERT_GE(ulpdu.size(), 14u);
              const int opcode = ulpdu[1] & 0x0F;
              Octets& into = opcode == 0 ? written : opcode == 2 ? answered : sent;
              into.insert(into.end(), ulpdu.begin() + (opcode == 3 ? 18 : 14), ulpdu.end());
            }
            const Octets gather = gathered(goods, sges);
            EXPECT_EQ(sent, gather);
            EXPECT_EQ(written, gather);
            const auto all = goods.content();
            EXPECT_EQ(answered, Octets(all.begin() + kPage / 2, all.begin() + kPage / 2 + kOctets));
            EXPECT_EQ(stream.markers, (stream.position() + iwarp::kMarkerInterval - 1) / iwarp::kMarkerInterval);
            EXPECT_EQ(scene.victim.wait_status(), WorkStatus::success);
            EXPECT_EQ(scene.victim.wait_status(), WorkStatus::success);
            scene.victim.close_connection();
          },
          3);
    }
  }
}

}  // namespace
}  // namespace softndk::rnic::test

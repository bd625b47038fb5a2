#pragma once
// What a user may choose about the provider. The values are those of the settings table; they are read once, when an
// adapter is initialised.
#include <cstdint>
#include <optional>
#include <string_view>

namespace softndk::provider {

/// When the result of a call reaches the consumer (R-CONN-25). `inlined` returns it; the next three return
/// STATUS_PENDING and call back: `nested` inside the call, `early` on another thread before the call returns, `later`
/// after it has returned. `mixed` draws one of these four for each call from the seed.
enum class CompletionMode : std::uint8_t { inlined, nested, early, later, mixed };

/// The four kinds of call that choose for themselves. A result that only the network or the device knows comes when
/// it comes, whatever the mode (order and latency hold it up too): the mode governs results that are known before the
/// call returns.
enum class CompletionKind : std::uint8_t { create, close, local_request, network_request };

/// Whose limits an adapter reports (NDK_ADAPTER_INFO). They only ever lower the device's: `connectx3` are those of one
/// real adapter, `minimal` the smallest that a consumer has to cope with.
enum class LimitsProfile : std::uint8_t { max, connectx3, minimal };

struct Settings {
  CompletionMode create = CompletionMode::inlined;
  CompletionMode close = CompletionMode::inlined;          // R-CLS-17
  CompletionMode local_request = CompletionMode::inlined;  // R-REQ-08
  CompletionMode network_request = CompletionMode::later;  // R-REQ-08
  /// Overrides the four above.
  std::optional<CompletionMode> policy;
  /// Overrides `policy` for local requests: consumers exist that cannot take a pending NdkBuildLAM (R-LAM-10).
  std::optional<CompletionMode> local_policy;
  std::uint64_t seed = 1;  ///< for `mixed`; the same seed draws the same modes in the same order of calls
  /// Results that wait to be delivered after their call come in an order, and on processors, drawn from this seed, as
  /// far as no rule orders them (R-REQ-08). Unset: first in, first out.
  std::optional<std::uint64_t> order_seed;
  /// Nothing that pends calls back earlier than this after its call has begun, whoever knew the result when: for
  /// consumers that take quick completions for granted. An inline result stays one.
  std::uint64_t latency_ns = 0;
  /// The same for NdkCompleteConnect[Ex]: on a NIC it takes far longer than a request, and consumers take for granted
  /// that the accepting side has got on meanwhile.
  std::uint64_t connect_latency_ns = 0;

  /// Highest minors of the two majors; a profile may lower them (R-VER-02).
  std::uint16_t minor_max_of_1 = 2;
  std::uint16_t minor_max_of_2 = 1;
  bool has_major_2 = true;
  LimitsProfile limits = LimitsProfile::max;

  std::uint32_t vendor_id = 0;
  std::uint32_t device_id = 1;
  bool network_direct = true;    ///< the *NetworkDirect keyword (R-PNP-01)
  std::uint32_t technology = 1;  ///< the *NetworkDirectTechnology keyword, as it was given (R-INF-01, R-INF-03)
  static constexpr std::uint32_t kRoceFrameBytes = 1024;
  std::uint32_t roce_frame_bytes = kRoceFrameBytes;  ///< *NetworkDirectRoCEFrameSize; iWARP has none (R-INF-01)
  std::uint32_t global_flags = 0;                    ///< *NetworkDirectGlobalFlags; iWARP crosses subnets anyway

  /// Objects of each kind on one adapter (NDIS_NDK_CAPABILITIES; R-NDIS-14).
  std::uint32_t qp_count_max = 65536;
  std::uint32_t cq_count_max = 65536;
  std::uint32_t mr_count_max = 1u << 20;
  std::uint32_t mw_count_max = 1u << 20;
  std::uint32_t pd_count_max = 65536;
  std::uint32_t srq_count_max = 65536;

  CompletionMode mode(CompletionKind kind) const noexcept;
};

/// "1.1", "1.2", "2.0" or "2.1": the newest version that the provider knows (R-VER-02). False: not one of these.
bool parse_version_max(std::string_view text, Settings& settings) noexcept;

/// The one spelling of the modes: "inline", "nested", "early", "later", "mixed" or "mixed(SEED)"; the seed, decimal,
/// replaces settings.seed. False: not one of these, and nothing has changed.
bool parse_policy(std::string_view text, Settings& settings) noexcept;
/// "fifo", "permuted" or "permuted(SEED)"; without a seed: 1. False as above.
bool parse_order(std::string_view text, Settings& settings) noexcept;
const char* to_string(CompletionMode mode) noexcept;

}  // namespace softndk::provider

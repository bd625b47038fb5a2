// Memory windows, as far as the provider decides: what they hold and for how long.
#include "provider/consumer.h"

namespace softndk::provider {
namespace {

struct Bound {
  explicit Bound(Rig& rig)
      : pd(rig.pd()),
        cq(rig.cq()),
        qp(rig.qp(pd, cq, cq)),
        mr(rig.mr(pd)),
        mw(rig.mw(pd)),
        device_qp(rig.device.qps.last()),
        window(rig.device.windows.last()) {}
  ~Bound() {
    if (mw != nullptr) close(mw);
    if (mr != nullptr) close(mr);
    close(qp);
    close(cq);
    close(pd);
  }
  NTSTATUS bind() { return qp->Dispatch->NdkBind(qp, this, mr, mw, nullptr, 1, NDK_OP_FLAG_ALLOW_REMOTE_READ); }
  NTSTATUS invalidate() { return qp->Dispatch->NdkInvalidate(qp, this, &mw->Header, 0); }
  const rdma::WindowWork& posted() { return device_qp.sends.back().window; }
  NTSTATUS close_region(Seen& seen) {
    NDK_MR* closing = std::exchange(mr, nullptr);
    return begin_close(closing, closing->Dispatch->NdkCloseMr, seen);
  }
  NTSTATUS close_window(Seen& seen) {
    NDK_MW* closing = std::exchange(mw, nullptr);
    return begin_close(closing, closing->Dispatch->NdkCloseMw, seen);
  }
  NDK_PD* pd;
  NDK_CQ* cq;
  NDK_QP* qp;
  NDK_MR* mr;
  NDK_MW* mw;
  FakeQp& device_qp;
  FakeWindow& window;
};

TEST(R_CLS_24, TheRegionsCloseWaitsFromThePostOfTheBindOn) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Bound it(rig);
      EXPECT_EQ(it.bind(), STATUS_SUCCESS);
      Seen closed;
      EXPECT_EQ(it.close_region(closed), STATUS_PENDING);
      ntrt::flush_processors();
      EXPECT_EQ(closed.calls, 0) << "posted";
      it.window.execute(it.posted());
      ntrt::flush_processors();
      EXPECT_EQ(closed.calls, 0) << "bound";
      EXPECT_EQ(it.invalidate(), STATUS_SUCCESS);
      ntrt::flush_processors();
      EXPECT_EQ(closed.calls, 0) << "about to be invalidated";
      it.window.execute(it.posted());
      closed.wait();
    });
  }
}

TEST(R_CLS_24, ACancelledBindLetsGoOfTheRegion) {
  simulate([] {
    Rig rig;
    Bound it(rig);
    EXPECT_EQ(it.bind(), STATUS_SUCCESS);
    Seen closed;
    EXPECT_EQ(it.close_region(closed), STATUS_PENDING);
    it.window.cancel(it.posted());
    closed.wait();
  });
}

TEST(R_CLS_07, TheRegionsCloseWaitsForTheCloseCallbackOfAWindowBoundToIt) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Bound it(rig);
      EXPECT_EQ(it.bind(), STATUS_SUCCESS);
      it.window.execute(it.posted());
      Seen region, window;
      EXPECT_EQ(it.close_region(region), STATUS_PENDING);
      window.inside = [&](Seen&) {
        for (int i = 0; i < 10; ++i) {  // others run, and find nothing to report yet
          interleave_point();
          EXPECT_EQ(region.calls, 0);
        }
      };
      const NTSTATUS closed = it.close_window(window);
      // Inline where the policy says so and the device was through with the window before the call could return.
      EXPECT_TRUE(closed == STATUS_PENDING || (closed == STATUS_SUCCESS && mode == CompletionMode::inlined));
      if (closed == STATUS_PENDING) window.wait();
      region.wait();
    });
  }
}

TEST(R_CLS_03, AWindowsCloseWaitsForPostedWorkThatNamesIt) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Bound it(rig);
      EXPECT_EQ(it.bind(), STATUS_SUCCESS);
      Seen closed;
      EXPECT_EQ(it.close_window(closed), STATUS_PENDING);
      ntrt::flush_processors();
      EXPECT_EQ(closed.calls, 0);
      it.window.execute(it.posted());
      closed.wait();
    });
  }
}

TEST(R_MW_04, ARefusedBindHoldsNothingAndStartsWhatWasDeferred) {
  simulate([] {
    Rig rig;
    Bound it(rig);
    EXPECT_EQ(it.qp->Dispatch->NdkBind(it.qp, nullptr, it.mr, it.mw, nullptr, 0, NDK_OP_FLAG_ALLOW_REMOTE_READ),
              STATUS_INVALID_PARAMETER);
    EXPECT_EQ(it.qp->Dispatch->NdkBind(it.qp, nullptr, nullptr, it.mw, nullptr, 1, NDK_OP_FLAG_ALLOW_REMOTE_READ),
              STATUS_INVALID_PARAMETER);
    EXPECT_EQ(it.device_qp.deferred_starts, 2);  // R-DEF-03
    it.device_qp.send_error = rdma::PostError::queue_full;
    EXPECT_EQ(it.bind(), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_EQ(it.invalidate(), STATUS_INSUFFICIENT_RESOURCES);
    Seen region;
    EXPECT_EQ(it.close_region(region), STATUS_SUCCESS);
  });
}

TEST(R_MW_02, BitsOfTheBindBecomeRights) {
  struct Case {
    ULONG flags;
    bool read, write;
  };
  for (const Case& one :
       {Case{NDK_OP_FLAG_ALLOW_REMOTE_READ, true, false}, Case{NDK_OP_FLAG_ALLOW_REMOTE_WRITE, false, true},
        Case{NDK_OP_FLAG_ALLOW_REMOTE_READ | NDK_OP_FLAG_ALLOW_LOCAL_WRITE, true, false}}) {
    simulate([&one] {
      Rig rig;
      Bound it(rig);
      EXPECT_EQ(it.qp->Dispatch->NdkBind(it.qp, nullptr, it.mr, it.mw, &it, 7, one.flags), STATUS_SUCCESS);
      EXPECT_EQ(it.posted().rights.remote_read, one.read);
      EXPECT_EQ(it.posted().rights.remote_write, one.write);
      EXPECT_EQ(it.posted().address, reinterpret_cast<std::uint64_t>(&it));
      EXPECT_EQ(it.posted().length_bytes, 7u);
      it.window.cancel(it.posted());
    });
  }
}

}  // namespace
}  // namespace softndk::provider

// The contract of all creates (spec/ndkpi.md 3.1), for every type the provider has.
#include <algorithm>

#include "provider/consumer.h"

namespace softndk::provider {
namespace {

/// One creatable type: how to call its create function, and how to close what it made.
struct Kind {
  const char* name;
  NDK_OBJECT_TYPE type;
  std::function<NTSTATUS(NDK_FN_CREATE_COMPLETION, PVOID, void** output)> create;
  NDK_FN_CLOSE_OBJECT close;
};

/// An adapter with what the creates need as antecedents.
struct Kinds {
  explicit Kinds(Rig& rig) : pd(rig.pd()), cq(rig.cq()), shared(rig.srq(pd)) {
    NDK_ADAPTER* adapter = rig.ndk();
    all = {
        {"cq", NdkObjectTypeCq,
         [=](auto done, PVOID context, void** out) {
           return adapter->Dispatch->NdkCreateCq(adapter, 4, nullptr, nullptr, nullptr, done, context,
                                                 reinterpret_cast<NDK_CQ**>(out));
         },
         cq->Dispatch->NdkCloseCq},
        {"pd", NdkObjectTypePd,
         [=](auto done, PVOID context, void** out) {
           return adapter->Dispatch->NdkCreatePd(adapter, done, context, reinterpret_cast<NDK_PD**>(out));
         },
         pd->Dispatch->NdkClosePd},
        {"connector", NdkObjectTypeConnector,
         [=](auto done, PVOID context, void** out) {
           return adapter->Dispatch->NdkCreateConnector(adapter, done, context, reinterpret_cast<NDK_CONNECTOR**>(out));
         },
         pd->Dispatch->NdkClosePd},
        {"listener", NdkObjectTypeListener,
         [=](auto done, PVOID context, void** out) {
           return adapter->Dispatch->NdkCreateListener(adapter, nullptr, nullptr, done, context,
                                                       reinterpret_cast<NDK_LISTENER**>(out));
         },
         pd->Dispatch->NdkClosePd},
        {"shared endpoint", NdkObjectTypeSharedEndpoint,
         [=](auto done, PVOID context, void** out) {
           const SOCKADDR_IN at = ipv4("127.0.0.1:0");
           return adapter->Dispatch->NdkCreateSharedEndpoint(adapter, reinterpret_cast<const SOCKADDR*>(&at), sizeof at,
                                                             done, context,
                                                             reinterpret_cast<NDK_SHARED_ENDPOINT**>(out));
         },
         pd->Dispatch->NdkClosePd},
        {"mr", NdkObjectTypeMr,
         [this](auto done, PVOID context, void** out) {
           return pd->Dispatch->NdkCreateMr(pd, FALSE, done, context, reinterpret_cast<NDK_MR**>(out));
         },
         pd->Dispatch->NdkClosePd},
        {"mw", NdkObjectTypeMw,
         [this](auto done, PVOID context, void** out) {
           return pd->Dispatch->NdkCreateMw(pd, done, context, reinterpret_cast<NDK_MW**>(out));
         },
         pd->Dispatch->NdkClosePd},
        {"srq", NdkObjectTypeSrq,
         [this](auto done, PVOID context, void** out) {
           return pd->Dispatch->NdkCreateSrq(pd, 4, 1, 0, nullptr, nullptr, nullptr, done, context,
                                             reinterpret_cast<NDK_SRQ**>(out));
         },
         pd->Dispatch->NdkClosePd},
        {"qp with srq", NdkObjectTypeQp,
         [this](auto done, PVOID context, void** out) {
           return pd->Dispatch->NdkCreateQpWithSrq(pd, cq, cq, shared, nullptr, 4, 1, 0, done, context,
                                                   reinterpret_cast<NDK_QP**>(out));
         },
         pd->Dispatch->NdkClosePd},
        {"qp", NdkObjectTypeQp,
         [this](auto done, PVOID context, void** out) {
           return pd->Dispatch->NdkCreateQp(pd, cq, cq, nullptr, 4, 4, 1, 1, 0, done, context,
                                            reinterpret_cast<NDK_QP**>(out));
         },
         pd->Dispatch->NdkClosePd},
    };
  }
  ~Kinds() {
    close(shared);
    close(cq);
    close(pd);
  }
  NDK_PD* pd;
  NDK_CQ* cq;
  NDK_SRQ* shared;
  std::vector<Kind> all;
};

/// The first slot of every table that has a close function is that function.
NTSTATUS close_header(NDK_OBJECT_HEADER* header, Seen& seen) {
  struct Any {
    NDK_OBJECT_HEADER Header;
    const NDK_FN_CLOSE_OBJECT* Dispatch;
  };
  return (*reinterpret_cast<Any*>(header)->Dispatch)(header, Seen::closed, &seen);
}
void close_any(NDK_OBJECT_HEADER* header) {
  Seen seen;
  if (close_header(header, seen) == STATUS_PENDING) seen.wait();
}

void* const kUntouched = reinterpret_cast<void*>(0x1234567890);

/// Runs `body(rig, kind, mode)` for every type and mode, in simulation.
template <class Body>
void for_each_kind(std::span<const CompletionMode> modes, Body&& body) {
  for (CompletionMode mode : modes) {
    simulate(
        [&] {
          Rig rig(policy(mode));
          Kinds kinds(rig);
          for (const Kind& kind : kinds.all) {
            SCOPED_TRACE(std::string(kind.name) + ", " + to_string(mode));
            body(rig, kind, mode);
          }
        },
        5);
  }
}

TEST(R_CRT_01, EitherAnInlineResultOrPendingAndOneCompletion) {
  for_each_kind(kAllModes, [](Rig&, const Kind& kind, CompletionMode mode) {
    Seen seen;
    void* output = kUntouched;
    const NTSTATUS status = kind.create(Seen::created, &seen, &output);
    if (mode != CompletionMode::mixed) {
      EXPECT_EQ(status, mode == CompletionMode::inlined ? STATUS_SUCCESS : STATUS_PENDING);
    }
    NDK_OBJECT_HEADER* object = static_cast<NDK_OBJECT_HEADER*>(output);
    if (status == STATUS_PENDING) {
      seen.wait();
      object = seen.object;
      EXPECT_EQ(seen.status, STATUS_SUCCESS);
    }
    close_any(object);
    ntrt::flush_processors();
    EXPECT_EQ(seen.calls, status == STATUS_PENDING ? 1 : 0);
  });
}

TEST(R_CRT_02, TheOutputIsNotTouchedOncePending) {
  for_each_kind(kPendingModes, [](Rig&, const Kind& kind, CompletionMode) {
    Seen seen;
    void* output = kUntouched;
    EXPECT_EQ(kind.create(Seen::created, &seen, &output), STATUS_PENDING);
    seen.wait();
    close_any(seen.object);
    EXPECT_EQ(output, kUntouched);
  });
}

TEST(R_CRT_03, TheContextComesBackAsGivenNullToo) {
  static std::atomic<int> null_calls;
  static std::atomic<NDK_OBJECT_HEADER*> made;
  for_each_kind(kPendingModes, [](Rig&, const Kind& kind, CompletionMode) {
    null_calls = 0;
    void* output = kUntouched;
    EXPECT_EQ(kind.create(
                  [](PVOID context, NTSTATUS, NDK_OBJECT_HEADER* object) {
                    EXPECT_EQ(context, nullptr);
                    made = object;
                    ++null_calls;
                  },
                  nullptr, &output),
              STATUS_PENDING);
    await([] { return null_calls == 1; });
    close_any(made);
  });
}

TEST(R_CRT_04, InlineSuccessNeverCallsBack) {
  constexpr CompletionMode kInline[] = {CompletionMode::inlined};
  for_each_kind(kInline, [](Rig&, const Kind& kind, CompletionMode) {
    Seen seen;
    void* output = kUntouched;
    EXPECT_EQ(kind.create(Seen::created, &seen, &output), STATUS_SUCCESS);
    ntrt::flush_processors();
    EXPECT_EQ(seen.calls, 0);
    close_any(static_cast<NDK_OBJECT_HEADER*>(output));
  });
}

TEST(R_CRT_05, OnlySuccessReturnsAnObject) {
  for_each_kind(kAllModes, [](Rig& rig, const Kind& kind, CompletionMode) {
    rig.device.create_error = rdma::CreateError::no_resources;
    Seen seen;
    void* output = kUntouched;
    const NTSTATUS status = kind.create(Seen::created, &seen, &output);
    rig.device.create_error.reset();
    if (status == STATUS_PENDING) {
      seen.wait();
      EXPECT_EQ(seen.object, nullptr);
      EXPECT_EQ(seen.status, STATUS_INSUFFICIENT_RESOURCES);
    } else {
      EXPECT_EQ(status, STATUS_INSUFFICIENT_RESOURCES);
    }
    EXPECT_EQ(output, kUntouched);
  });
}

TEST(R_CRT_06, EveryAllocationOfEveryCreateMayFail) {
  for_each_kind(kAllModes, [](Rig& rig, const Kind& kind, CompletionMode) {
    const std::size_t before = rig.device.living();
    bool met_all = false;
    for (unsigned nth = 1; !met_all; ++nth) {
      Seen seen;
      void* output = kUntouched;
      NTSTATUS status;
      {
        Shortage shortage(nth);
        status = kind.create(Seen::created, &seen, &output);
        if (status == STATUS_PENDING) seen.wait();
        met_all = shortage.met() < nth;
      }
      const NTSTATUS result = status == STATUS_PENDING ? seen.status.load() : status;
      EXPECT_EQ(result, met_all ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES) << "allocation " << nth;
      if (met_all) close_any(status == STATUS_PENDING ? seen.object.load() : static_cast<NDK_OBJECT_HEADER*>(output));
      ASSERT_LT(nth, 20u);
    }
    await([&] { return rig.device.living() == before; });  // gone a moment after the close callback has returned
  });
}

TEST(R_CRT_07, TheCompletionMayRunInsideTheCallOrOnAnotherThreadBeforeItReturns) {
  constexpr CompletionMode kBefore[] = {CompletionMode::nested, CompletionMode::early};
  for_each_kind(kBefore, [](Rig&, const Kind& kind, CompletionMode mode) {
    Seen seen;
    void* output = kUntouched;
    calling(seen, [&] { return kind.create(Seen::created, &seen, &output); });
    EXPECT_TRUE(seen.ran_in_call);
    EXPECT_EQ(seen.on_callers_thread(), mode == CompletionMode::nested);
    close_any(seen.object);
  });
}

TEST(R_CRT_08, TheObjectMayBeClosedInsideItsCreateCompletion) {
  for_each_kind(kPendingModes, [](Rig& rig, const Kind& kind, CompletionMode) {
    const std::size_t before = rig.device.living();
    Seen closed, seen;
    std::atomic<NTSTATUS> close_status{STATUS_UNSUCCESSFUL};
    seen.inside = [&](Seen& it) { close_status = close_header(it.object, closed); };
    void* output = kUntouched;
    EXPECT_EQ(kind.create(Seen::created, &seen, &output), STATUS_PENDING);
    seen.wait();
    EXPECT_EQ(close_status, STATUS_PENDING);
    closed.wait();
    EXPECT_EQ(closed.calls, 1);
    await([&] { return rig.device.living() == before; });
  });
}

/// Takes back memory that was just freed, of the sizes of objects, and sees whether somebody still writes to it.
class FreshMemory {
 public:
  FreshMemory() {
    for (std::size_t bytes = 64; bytes <= 1024; bytes += 16)
      blocks_.emplace_back(bytes, std::uint8_t{0x5a});
  }
  bool is_untouched() const {
    return std::all_of(blocks_.begin(), blocks_.end(), [](const std::vector<std::uint8_t>& block) {
      return std::all_of(block.begin(), block.end(), [](std::uint8_t octet) { return octet == 0x5a; });
    });
  }

 private:
  std::vector<std::vector<std::uint8_t>> blocks_;
};

TEST(R_CRT_09, NothingTouchesTheObjectOnceItsCreateCompletionHasBegun) {
  // Its memory is gone before the create returns: closes are inline, and the device ends its part at once.
  for (CompletionMode mode : kPendingModes) {
    simulate([mode] {
      Settings settings;
      settings.create = mode;
      Rig rig(settings);
      Kinds kinds(rig);
      rig.device.close_style = CloseStyle::inside;
      for (const Kind& kind : kinds.all) {
        SCOPED_TRACE(std::string(kind.name) + ", " + to_string(mode));
        const std::size_t before = rig.device.living();
        Seen seen, closed;
        std::optional<FreshMemory> instead;
        seen.inside = [&](Seen& it) {
          EXPECT_EQ(close_header(it.object, closed), STATUS_SUCCESS);
          EXPECT_EQ(rig.device.living(), before);
          instead.emplace();
        };
        void* output = kUntouched;
        EXPECT_EQ(kind.create(Seen::created, &seen, &output), STATUS_PENDING);
        seen.wait();
        ntrt::flush_processors();
        EXPECT_TRUE(instead->is_untouched());
        EXPECT_EQ(output, kUntouched);
      }
      rig.device.close_style = CloseStyle::posted;
    });
  }
}

TEST(R_CRT_10, HeaderAndTableAreInPlaceBeforeTheObjectIsVisible) {
  for_each_kind(kPendingModes, [](Rig&, const Kind& kind, CompletionMode) {
    Seen seen;
    seen.inside = [&](Seen& it) {
      const NDK_OBJECT_HEADER* header = it.object;
      EXPECT_EQ(header->ObjectType, kind.type);
      EXPECT_EQ(header->Version.Major, 2);
      EXPECT_EQ(header->Version.Minor, 1);
      for (PVOID word : header->NdkReserved.rf)
        EXPECT_EQ(word, nullptr);
      EXPECT_NE(reinterpret_cast<const NDK_PD*>(header)->Dispatch, nullptr);
    };
    void* output = kUntouched;
    kind.create(Seen::created, &seen, &output);
    seen.wait();
    close_any(seen.object);
  });
}

TEST(R_CRT_11, APendingCreateHoldsItsParentAndAntecedentsUntilItsCallbackReturned) {
  for (CompletionMode mode : {CompletionMode::early, CompletionMode::later}) {
    simulate([mode] {
      Settings settings;
      settings.create = mode;
      Rig rig(settings);
      NDK_PD* pd = rig.pd();
      NDK_CQ* cq = rig.cq();
      Seen pd_closed, cq_closed, created;
      std::atomic<bool> too_early{false};
      rig.device.create_error = rdma::CreateError::no_resources;  // so that no queue pair holds them
      created.inside = [&](Seen&) {
        for (unsigned spins = 0; spins < 100; ++spins)
          ntrt::kernel().executor().relax(spins);
        too_early = pd_closed.calls != 0 || cq_closed.calls != 0;
      };
      NDK_QP* qp = nullptr;
      EXPECT_EQ(pd->Dispatch->NdkCreateQp(pd, cq, cq, nullptr, 4, 4, 1, 1, 0, Seen::created, &created, &qp),
                STATUS_PENDING);
      const NTSTATUS pd_status = begin_close(pd, pd->Dispatch->NdkClosePd, pd_closed);
      const NTSTATUS cq_status = begin_close(cq, cq->Dispatch->NdkCloseCq, cq_closed);
      created.wait();
      if (pd_status == STATUS_PENDING) pd_closed.wait();
      if (cq_status == STATUS_PENDING) cq_closed.wait();
      EXPECT_FALSE(too_early);
    });
  }
}

TEST(R_CRT_12, ACreateWhoseParentIsClosedMeanwhileStillFinishes) {
  simulate([] {
    Settings settings;
    settings.create = CompletionMode::later;
    Rig rig(settings);
    NDK_PD* pd = rig.pd();
    Seen created, pd_closed;
    NDK_MR* mr = nullptr;
    EXPECT_EQ(pd->Dispatch->NdkCreateMr(pd, FALSE, Seen::created, &created, &mr), STATUS_PENDING);
    EXPECT_EQ(begin_close(pd, pd->Dispatch->NdkClosePd, pd_closed), STATUS_PENDING);
    created.wait();
    EXPECT_EQ(created.status, STATUS_SUCCESS);
    ntrt::flush_processors();
    EXPECT_EQ(pd_closed.calls, 0) << "the region holds its domain";
    close_any(created.object);
    pd_closed.wait();
  });
}

TEST(R_CRT_13, ParameterErrorsAreInlineInEveryMode) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      NDK_ADAPTER* adapter = rig.ndk();
      Seen seen;
      NDK_CQ* cq = nullptr;
      const auto create_cq = [&](ULONG depth) {
        return adapter->Dispatch->NdkCreateCq(adapter, depth, nullptr, nullptr, nullptr, Seen::created, &seen, &cq);
      };
      EXPECT_EQ(create_cq(0), STATUS_INVALID_PARAMETER);        // R-CQ-02
      EXPECT_EQ(create_cq(4194304), STATUS_INVALID_PARAMETER);  // R-CQ-01
      EXPECT_EQ(seen.calls, 0);
    });
  }
}

TEST(R_NDIS_14, MoreObjectsThanTheAdapterHasAreInsufficientResources) {
  simulate([] {
    Settings settings;
    settings.pd_count_max = settings.cq_count_max = settings.qp_count_max = 1;
    settings.mr_count_max = settings.mw_count_max = settings.srq_count_max = 1;
    Rig rig(settings);
    Kinds kinds(rig);  // takes the one PD, CQ and SRQ
    for (const Kind& kind : kinds.all) {
      const bool counted = kind.type != NdkObjectTypeConnector && kind.type != NdkObjectTypeListener &&
                           kind.type != NdkObjectTypeSharedEndpoint;
      std::vector<void*> made;
      NTSTATUS status = STATUS_SUCCESS;
      while (NT_SUCCESS(status) && made.size() < 3) {
        void* output = nullptr;
        Seen seen;
        status = kind.create(Seen::created, &seen, &output);
        if (NT_SUCCESS(status)) made.push_back(output);
      }
      EXPECT_EQ(status, counted ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS) << kind.name;
      for (void* object : made)
        close_any(static_cast<NDK_OBJECT_HEADER*>(object));
    }
  });
}

TEST(R_NDIS_14, AClosedObjectMakesRoom) {
  simulate([] {
    Settings settings;
    settings.pd_count_max = 1;
    Rig rig(settings);
    for (int i = 0; i < 3; ++i)
      close(rig.pd());
  });
}

}  // namespace
}  // namespace softndk::provider

// Creates, requests and closes in every way a provider may complete them.
#include <memory>

#include "base/alloc.h"
#include "verifier/consumer.h"

namespace softndk::verifier {
namespace {

/// Puts everything back to inline success, which is how a family closes.
struct InlineAgain {
  ~InlineAgain() {
    fake().completion = Completion::inlined;
    fake().status = STATUS_SUCCESS;
  }
};

std::string case_name(SlotId slot, Completion completion) {
  return name_of(slot) + ", completion " + std::to_string(static_cast<int>(completion));
}

/// The n-th call that may fail from here on fails, and with `all` every later one; off at the end of the scope.
class FailNth {
 public:
  explicit FailNth(int nth, bool all = false) : left_(nth), all_(all) { set_fault_hook(ask, this); }
  ~FailNth() { set_fault_hook(nullptr, nullptr); }
  bool failed() const { return failed_; }

 private:
  static bool ask(void* context, const char*) noexcept {
    FailNth& self = *static_cast<FailNth*>(context);
    --self.left_;
    const bool fails = self.all_ ? self.left_ <= 0 : self.left_ == 0;
    self.failed_ = self.failed_ || fails;
    return fails;
  }
  int left_;
  bool all_;
  bool failed_ = false;
};

// ---- creates

class R_CRT_01 : public VerifierTest {};

TEST_F(R_CRT_01, ACreateReturnsItsObjectInlineOrCallsBackOnce) {
  for (const CreateSlot& slot : create_slots()) {
    for (const Completion completion : kAllCompletions) {
      SCOPED_TRACE(case_name(slot.id, completion));
      Family family(provider);
      const InlineAgain after;
      Seen seen;
      Output output;
      provider.completion = completion;
      const NTSTATUS status = slot.call(family, seen, output);
      NDK_OBJECT_HEADER* object = nullptr;
      if (completion == Completion::inlined) {
        EXPECT_EQ(status, STATUS_SUCCESS);
        EXPECT_EQ(seen.calls, 0);
        object = output.object();
      } else {
        EXPECT_EQ(status, STATUS_PENDING);
        EXPECT_TRUE(output.is_untouched());
        EXPECT_EQ(seen.calls, completion == Completion::later ? 0 : 1);
        provider.run_later();
        EXPECT_EQ(seen.calls, 1);
        EXPECT_EQ(seen.status, STATUS_SUCCESS);
        EXPECT_TRUE(output.is_untouched());
        object = seen.object;
      }
      EXPECT_NE(object, provider.last_made) << "the provider's own object was shown";
      EXPECT_EQ(object->ObjectType, slot.makes);
      EXPECT_EQ(usage().shadows, 11u);
      close_now(object);
      EXPECT_EQ(usage().shadows, 10u);
    }
  }
}

class R_CRT_05 : public VerifierTest {};

TEST_F(R_CRT_05, AFailedCreateLeavesTheOutputAndPassesNoObject) {
  for (const CreateSlot& slot : create_slots()) {
    for (const Completion completion : kAllCompletions) {
      SCOPED_TRACE(case_name(slot.id, completion));
      Family family(provider);
      const InlineAgain after;
      Seen seen;
      seen.object = kUntouched;
      Output output;
      provider.completion = completion;
      provider.status = STATUS_INSUFFICIENT_RESOURCES;
      const NTSTATUS status = slot.call(family, seen, output);
      provider.run_later();
      EXPECT_TRUE(output.is_untouched());
      if (completion == Completion::inlined) {
        EXPECT_EQ(status, STATUS_INSUFFICIENT_RESOURCES);
        EXPECT_EQ(seen.calls, 0);
      } else {
        EXPECT_EQ(status, STATUS_PENDING);
        EXPECT_EQ(seen.calls, 1);
        EXPECT_EQ(seen.status, STATUS_INSUFFICIENT_RESOURCES);
        EXPECT_EQ(seen.object, nullptr);
      }
      EXPECT_EQ(usage().shadows, 10u);
    }
  }
}

class R_CRT_06 : public VerifierTest {};

TEST_F(R_CRT_06, WithoutMemoryForTheShadowTheProviderIsNotAsked) {
  for (const CreateSlot& slot : create_slots()) {
    SCOPED_TRACE(name_of(slot.id));
    Family family(provider);
    Seen seen;
    Output output;
    const FailNth fail(1);
    EXPECT_EQ(slot.call(family, seen, output), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_TRUE(fail.failed());
    EXPECT_TRUE(output.is_untouched());
    EXPECT_TRUE(provider.calls.empty());
  }
}

class R_CRT_08 : public VerifierTest {};

TEST_F(R_CRT_08, AnObjectMayBeClosedInsideItsCreateCompletion) {
  for (const CreateSlot& slot : create_slots()) {
    for (const Completion completion : kPendingCompletions) {
      for (const Completion close_completion : kAllCompletions) {
        SCOPED_TRACE(case_name(slot.id, completion));
        Family family(provider);
        const InlineAgain after;
        Seen creating, closing;
        Output output;
        NTSTATUS close_status = kSomeFailure;
        creating.inside = [&](Seen& seen) {
          provider.completion = close_completion;
          close_status = close(seen.object, closing);
        };
        provider.completion = completion;
        EXPECT_EQ(slot.call(family, creating, output), STATUS_PENDING);
        const bool over = completion != Completion::later && close_completion != Completion::later;
        if (over) {
          EXPECT_EQ(usage().shadows, 10u) << "gone before the create call has returned";
        }
        provider.run_later();
        const bool inlined = close_completion == Completion::inlined;
        EXPECT_EQ(close_status, inlined ? STATUS_SUCCESS : STATUS_PENDING);
        EXPECT_EQ(closing.calls, inlined ? 0 : 1);
        EXPECT_EQ(usage().shadows, 10u);
      }
    }
  }
}

// ---- requests

class R_REQ_01 : public VerifierTest {};

TEST_F(R_REQ_01, ARequestReturnsItsStatusInlineOrCallsBackOnce) {
  for (const RequestSlot& slot : request_slots()) {
    for (const Completion completion : kAllCompletions) {
      for (const NTSTATUS result : {NTSTATUS{STATUS_SUCCESS}, kSomeFailure}) {
        SCOPED_TRACE(case_name(slot.id, completion));
        Family family(provider);
        const InlineAgain after;
        Seen seen;
        provider.completion = completion;
        provider.status = result;
        const NTSTATUS status = slot.call(family, seen);
        if (completion == Completion::inlined) {
          EXPECT_EQ(status, result);
          EXPECT_EQ(seen.calls, 0);
          EXPECT_EQ(usage().requests, 0u);
          continue;
        }
        EXPECT_EQ(status, STATUS_PENDING);
        EXPECT_EQ(seen.calls, completion == Completion::later ? 0 : 1);
        EXPECT_EQ(usage().requests, completion == Completion::later ? 1u : 0u);
        provider.run_later();
        EXPECT_EQ(seen.calls, 1);
        EXPECT_EQ(seen.status, result);
        EXPECT_EQ(usage().requests, 0u);
      }
    }
  }
}

TEST_F(R_REQ_01, BuildLamCompletesInEveryMode) {
  for (const Completion completion : kAllCompletions) {
    Family family(provider);
    const InlineAgain after;
    NDK_ADAPTER* adapter = family.get<NDK_ADAPTER>();
    Seen seen;
    provider.completion = completion;
    const NTSTATUS status =
        adapter->Dispatch->NdkBuildLAM(adapter, nullptr, 1, Seen::completed, &seen, nullptr, nullptr, nullptr);
    provider.run_later();
    EXPECT_EQ(status, completion == Completion::inlined ? STATUS_SUCCESS : STATUS_PENDING);
    EXPECT_EQ(seen.calls, completion == Completion::inlined ? 0 : 1);
    EXPECT_EQ(usage().requests, 0u);
  }
}

TEST_F(R_REQ_01, WithoutMemoryForTheRecordTheProviderIsNotAsked) {
  for (const RequestSlot& slot : request_slots()) {
    SCOPED_TRACE(name_of(slot.id));
    Family family(provider);
    Seen seen;
    int failures = 0;
    // One call that may fail after the other, until there is none left: the record, and for some the event.
    for (int nth = 1;; ++nth) {
      const FailNth fail(nth);
      const NTSTATUS status = slot.call(family, seen);
      if (!fail.failed()) {
        EXPECT_EQ(status, STATUS_SUCCESS);
        break;
      }
      ++failures;
      EXPECT_EQ(status, STATUS_INSUFFICIENT_RESOURCES);
      EXPECT_TRUE(provider.calls.empty());
      EXPECT_EQ(usage().requests, 0u);
    }
    // Nobody could disconnect, or take memory back, for want of memory.
    const SlotId kDisconnect{NdkObjectTypeConnector, offsetof(NDK_CONNECTOR_DISPATCH, NdkDisconnect)};
    const SlotId kDeregister{NdkObjectTypeMr, offsetof(NDK_MR_DISPATCH, NdkDeregisterMr)};
    const bool cannot_fail = slot.id == kDisconnect || slot.id == kDeregister;
    EXPECT_EQ(failures >= 1, !cannot_fail);
    EXPECT_EQ(seen.calls, 0);
  }
}

TEST_F(R_REQ_01, ARecordServesTheNextRequestFromInsideTheCompletion) {
  Family family(provider);
  const InlineAgain after;
  NDK_MR* mr = family.get<NDK_MR>();
  provider.completion = Completion::nested;
  Seen seen;
  seen.inside = [&](Seen& self) {
    if (self.calls == 100) return;
    EXPECT_EQ(mr->Dispatch->NdkDeregisterMr(mr, Seen::completed, &self), STATUS_PENDING);
  };
  EXPECT_EQ(mr->Dispatch->NdkDeregisterMr(mr, Seen::completed, &seen), STATUS_PENDING);
  EXPECT_EQ(seen.calls, 100);
  EXPECT_EQ(usage().requests, 0u);
}

class C_03 : public VerifierTest {};

TEST_F(C_03, BuildLamWithoutACompletionStaysWithoutOne) {
  Family family(provider);
  NDK_ADAPTER* adapter = family.get<NDK_ADAPTER>();
  const FailNth none_needed(1, true);
  EXPECT_EQ(adapter->Dispatch->NdkBuildLAM(adapter, nullptr, 1, nullptr, &family, nullptr, nullptr, nullptr),
            STATUS_SUCCESS);
  EXPECT_EQ(provider.calls.back().words[3], 0u);
  EXPECT_EQ(provider.calls.back().words[4], word(&family));
  EXPECT_FALSE(none_needed.failed());
}

class R_CLS_10 : public VerifierTest {};

TEST_F(R_CLS_10, AnObjectMayBeClosedInsideTheCompletionOfItsRequest) {
  for (const RequestSlot& slot : request_slots()) {
    for (const Completion completion : kPendingCompletions) {
      SCOPED_TRACE(case_name(slot.id, completion));
      Family family(provider);
      const InlineAgain after;
      Seen requesting, closing;
      requesting.inside = [&](Seen&) {
        // R-CLS-03: the close completes when this callback has returned; here at the end of the test.
        provider.completion = Completion::later;
        EXPECT_EQ(close(family.take(slot.id.type), closing), STATUS_PENDING);
      };
      provider.completion = completion;
      EXPECT_EQ(slot.call(family, requesting), STATUS_PENDING);
      provider.run_later();
      EXPECT_EQ(requesting.calls, 1);
      EXPECT_EQ(closing.calls, 1);
      EXPECT_EQ(usage().shadows, 9u);
    }
  }
}

TEST_F(R_CLS_10, TheCloseMayBeOverBeforeTheRequestHasReturned) {
  // The completion hands the close to another thread, which finishes it while the request call is still in the
  // provider.
  for (const RequestSlot& slot : request_slots()) {
    SCOPED_TRACE(name_of(slot.id));
    Family family(provider);
    const InlineAgain after;
    Seen requesting, closing;
    NDK_OBJECT_HEADER* object = family.get(slot.id.type);
    provider.after_callback = [&] {
      provider.completion = Completion::early;
      EXPECT_EQ(close(object, closing), STATUS_PENDING);
    };
    provider.completion = Completion::nested;
    EXPECT_EQ(slot.call(family, requesting), STATUS_PENDING);
    EXPECT_EQ(family.take(slot.id.type), object);
    EXPECT_EQ(requesting.calls, 1);
    EXPECT_EQ(closing.calls, 1);
    EXPECT_EQ(usage().shadows, 9u);
  }
}

// ---- closes

class R_CLS_01 : public VerifierTest {};

TEST_F(R_CLS_01, ACloseSucceedsInlineOrCallsBackOnce) {
  for (const NDK_OBJECT_TYPE type :
       {NdkObjectTypeConnector, NdkObjectTypeQp, NdkObjectTypeSrq, NdkObjectTypeMw, NdkObjectTypeMr,
        NdkObjectTypeListener, NdkObjectTypeSharedEndpoint, NdkObjectTypeCq, NdkObjectTypePd}) {
    for (const Completion completion : kAllCompletions) {
      SCOPED_TRACE(case_name({type, 0}, completion));
      Family family(provider);
      const InlineAgain after;
      if (type == NdkObjectTypePd) {
        for (const NDK_OBJECT_TYPE child : {NdkObjectTypeQp, NdkObjectTypeSrq, NdkObjectTypeMw, NdkObjectTypeMr})
          close_now(family.take(child));
      }
      const std::size_t before = usage().shadows;
      Seen seen;
      provider.completion = completion;
      const NTSTATUS status = close(family.take(type), seen);
      EXPECT_EQ(status, completion == Completion::inlined ? STATUS_SUCCESS : STATUS_PENDING);
      EXPECT_EQ(seen.calls, completion == Completion::nested || completion == Completion::early ? 1 : 0);
      EXPECT_EQ(usage().shadows, completion == Completion::later ? before : before - 1);
      provider.run_later();
      EXPECT_EQ(seen.calls, completion == Completion::inlined ? 0 : 1);
      EXPECT_EQ(usage().shadows, before - 1);
    }
  }
}

TEST_F(R_CLS_01, ACloseNeedsNoMemory) {
  for (const NDK_OBJECT_TYPE type : kClosableTypes) {
    Family family(provider);
    const FailNth fail(1, true);
    Seen seen;
    EXPECT_EQ(close(family.take(type), seen), STATUS_SUCCESS);
    EXPECT_FALSE(fail.failed());
  }
}

class R_CLS_07 : public VerifierTest {};

TEST_F(R_CLS_07, AShadowOutlivesItsCloseCompletion) {
  Family family(provider);
  const InlineAgain after;
  NDK_OBJECT_HEADER* mw = family.take(NdkObjectTypeMw);
  provider.completion = Completion::nested;
  Seen seen;
  seen.inside = [&](Seen&) {
    EXPECT_EQ(usage().shadows, 10u);
    EXPECT_EQ(mw->ObjectType, NdkObjectTypeMw);
  };
  EXPECT_EQ(close(mw, seen), STATUS_PENDING);
  EXPECT_EQ(usage().shadows, 9u);
}

TEST_F(R_CLS_07, AParentsMemoryStaysUntilItsLastChildIsGone) {
  // As when the provider ends the protection domain while the region's close call is still on its way back.
  Family family(provider);
  for (const NDK_OBJECT_TYPE type : {NdkObjectTypeQp, NdkObjectTypeSrq, NdkObjectTypeMw, NdkObjectTypePd})
    close_now(family.take(type));
  EXPECT_EQ(usage().shadows, 7u) << "the domain's is kept by the region's";
  close_now(family.take(NdkObjectTypeMr));
  EXPECT_EQ(usage().shadows, 5u);
}

}  // namespace
}  // namespace softndk::verifier

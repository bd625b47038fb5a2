#pragma once
// The entry points that are all alike, made from the slot that they stand in: a slot's type says what is an object and
// where the completion is, so one template is every function of its kind.
//
//   forward<&NDK_QP_DISPATCH::NdkSend>              calls the provider's NdkSend with the real objects
//   forward_request<&NDK_MR_DISPATCH::NdkRegisterMr>  the same; the last two arguments are completion and context
//   forward_create<&NDK_PD_DISPATCH::NdkCreateMr>   the same; the last three are completion, context and the output
//   forward_close<NDK_QP, &NDK_QP_DISPATCH::NdkCloseQp>
//   absent<&NDK_QP_DISPATCH::NdkSendAndInvalidate>  of a version that does not have it
//
// None raises or lowers the IRQL or takes a lock around a call; each runs where its caller does.
#include <tuple>

#include "ntrt/call_stack.h"
#include "verifier/call_record.h"
#include "verifier/shadow_types.h"

namespace softndk::verifier {

// ---- plain calls

template <auto slot>
struct Forward;
template <class Table, class Result, NdkObject Ndk, class... Args, Result (*Table::*slot)(Ndk*, Args...)>
struct Forward<slot> {
  static Result call(Ndk* object, Args... args) noexcept {
    auto& self = shadow_of(object);
    Span span(Timeline::Kind::call, slot_name<slot>, &object->Header);
    if constexpr (std::is_void_v<Result>) {
      (self.provider().*slot)(self.real(), inward(args)...);
    } else {
      return span.result((self.provider().*slot)(self.real(), inward(args)...));
    }
  }
};
template <auto slot>
inline constexpr auto forward = Forward<slot>::call;

// ---- posts, whose first argument is the consumer's RequestContext

template <auto slot>
struct ForwardPost;
template <class Table, NdkObject Ndk, class... Args, NTSTATUS (*Table::*slot)(Ndk*, PVOID, Args...)>
struct ForwardPost<slot> {
  static NTSTATUS call(Ndk* object, PVOID request, Args... args) noexcept {
    auto& self = shadow_of(object);
    Span span(Timeline::Kind::call, slot_name<slot>, &object->Header);
    trace_work(slot_name<slot>, &object->Header, request);  // before: its result may be taken before the post returns
    const NTSTATUS status = span.result((self.provider().*slot)(self.real(), request, inward(args)...));
    if (status != STATUS_SUCCESS) trace_result(&object->Header, request, status, 0);
    return status;
  }
};
template <auto slot>
inline constexpr auto forward_post = ForwardPost<slot>::call;

// ---- requests

/// Requests whose object keeps a record for them.
template <auto slot>
inline constexpr bool has_own_record = false;
template <>
inline constexpr bool has_own_record<&NDK_MR_DISPATCH::NdkDeregisterMr> = true;
template <>
inline constexpr bool has_own_record<&NDK_CONNECTOR_DISPATCH::NdkDisconnect> = true;

template <auto slot>
struct ForwardRequest;
template <class Table, NdkObject Ndk, class... Args, NTSTATUS (*Table::*slot)(Ndk*, Args...)>
struct ForwardRequest<slot> {
  static NTSTATUS call(Ndk* object, Args... args) noexcept {
    return call_with(shadow_of(object), std::tuple<Args...>(inward(args)...));
  }
  /// The real objects are in `arguments` already, the consumer's completion still is.
  static NTSTATUS call_with(ShadowFor<Ndk>& self, std::tuple<Args...> arguments) noexcept {
    constexpr std::size_t n = sizeof...(Args);
    auto& completion = std::get<n - 2>(arguments);
    auto& context = std::get<n - 1>(arguments);
    OwnRecord* own = nullptr;
    if constexpr (has_own_record<slot>) own = &self.own_record;
    const auto call = [&](NDK_FN_REQUEST_COMPLETION routine, PVOID record) {
      completion = routine;
      context = record;
      return std::apply([&](auto... args) { return (self.provider().*slot)(self.real(), args...); }, arguments);
    };
    return request(slot_name<slot>, self.Header, completion, context, call, own);
  }
};
template <auto slot>
inline constexpr auto forward_request = ForwardRequest<slot>::call;

// ---- creates

/// Where the provider is to put its object.
template <NdkObject Ndk>
struct CreateArguments {
  NDK_FN_CREATE_COMPLETION completion;
  PVOID context;
  Ndk** output;
};

/// What the provider calls instead of the consumer's create completion; `context` is the shadow.
template <NdkObject Ndk>
void created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* real) noexcept {
  auto& shadow = *static_cast<ShadowFor<Ndk>*>(context);
  const auto completion = shadow.create_completion;
  shadow.stack_context.end();
  RequestTrace::completed(shadow.traced_name, shadow.traced_id, status);
  const Span span(Timeline::Kind::callback, shadow.traced_name, nullptr);
  if (status != STATUS_SUCCESS || real == nullptr) {
    shadow.release();
    completion(status, nullptr);  // C-04
    return;
  }
  shadow.adopt(*reinterpret_cast<Ndk*>(real));
  completion(STATUS_SUCCESS, &shadow.Header);  // the consumer may close it in there (R-CRT-08)
}

/// The contract of all creates (spec/ndkpi.md 3.1). The shadow is made first, so that an asynchronous success cannot
/// fail here: STATUS_INSUFFICIENT_RESOURCES comes inline, and the provider was not called. `name` is the function's;
/// `call(shadow, arguments)` calls the provider.
/// Inlined into the entry point, so that the return address is the consumer's.
template <NdkObject Ndk, class Call>
__attribute__((always_inline)) inline NTSTATUS create(const char* name, Shadow& parent,
                                                      const NDK_OBJECT_HEADER& parent_header,
                                                      ConsumerCallback<NDK_FN_CREATE_COMPLETION> completion,
                                                      Ndk** output, Call&& call) noexcept {
  Span span(Timeline::Kind::call, name, &parent_header);
  ShadowFor<Ndk>* shadow = make_shadow<Ndk>(&parent);
  if (shadow == nullptr) return span.result(STATUS_INSUFFICIENT_RESOURCES);
  RequestTrace trace(name, &parent_header);
  shadow->traced_name = name;
  shadow->traced_id = trace.id();
  shadow->create_completion = completion;
  shadow->stack_context.begin(completion.context, name);
  const ntrt::AnnouncedOrigin origin({__builtin_return_address(0), &shadow->Header});
  Ndk* real = nullptr;
  const NTSTATUS status =
      span.result(call(*shadow, CreateArguments<Ndk>{completion.routine == nullptr ? nullptr : created<Ndk>, shadow,
                                                     output == nullptr ? nullptr : &real}));
  // Pending: created() has the shadow now, and the consumer may have closed the object already (R-CRT-09).
  if (status == STATUS_PENDING) {
    trace.pended();
    return status;
  }
  shadow->stack_context.end();
  if (status == STATUS_SUCCESS && real != nullptr) {
    shadow->adopt(*real);
    *output = shadow;
  } else {
    shadow->release();
  }
  return status;
}

template <auto slot>
struct ForwardCreate;
template <class Table, NdkObject Parent, class... Args, NTSTATUS (*Table::*slot)(Parent*, Args...)>
struct ForwardCreate<slot> {
  static NTSTATUS call(Parent* parent, Args... args) noexcept {
    constexpr std::size_t n = sizeof...(Args);
    auto& self = shadow_of(parent);
    std::tuple<Args...> arguments(inward(args)...);
    auto& completion = std::get<n - 3>(arguments);
    auto& context = std::get<n - 2>(arguments);
    auto& output = std::get<n - 1>(arguments);
    return create(slot_name<slot>, self, self.Header, {completion, context}, output, [&](auto&, const auto& ours) {
      completion = ours.completion;
      context = ours.context;
      output = ours.output;
      return std::apply([&](auto... inner) { return (self.provider().*slot)(self.real(), inner...); }, arguments);
    });
  }
};
template <auto slot>
inline constexpr auto forward_create = ForwardCreate<slot>::call;

// ---- close and query-extension, which every object has

/// What the provider calls instead of the consumer's close completion; `context` is the shadow.
template <NdkObject Ndk>
void closed(PVOID context) noexcept {
  auto& shadow = *static_cast<ShadowFor<Ndk>*>(context);
  const auto completion = shadow.close_completion;
  shadow.stack_context.end();
  RequestTrace::completed(shadow.traced_name, shadow.traced_id, STATUS_SUCCESS);
  const Span span(Timeline::Kind::callback, shadow.traced_name, nullptr);
  completion();
  shadow.release();  // not before: until its close completion has returned, the object is on its antecedents (R-CLS-07)
}

template <NdkObject Ndk, NDK_FN_CLOSE_OBJECT DispatchOf<Ndk>::*slot>
NTSTATUS forward_close(NDK_OBJECT_HEADER* header, NDK_FN_CLOSE_COMPLETION completion, PVOID context) noexcept {
  auto& self = shadow_of(reinterpret_cast<Ndk*>(header));
  Span span(Timeline::Kind::call, slot_name<slot>, header);
  RequestTrace trace(slot_name<slot>, header);
  self.traced_name = slot_name<slot>;
  self.traced_id = trace.id();
  self.close_completion = {completion, context};
  self.stack_context.begin(context, slot_name<slot>);
  const NTSTATUS status =
      span.result((self.provider().*slot)(self.real_header(), completion == nullptr ? nullptr : closed<Ndk>, &self));
  // Pending: closed() has the shadow, and may have run (R-CLS-16). Any other value breaks C-06; the object lives on.
  if (status != STATUS_PENDING) self.stack_context.end();
  if (status == STATUS_SUCCESS) self.release();
  if (status == STATUS_PENDING) trace.pended();
  return status;
}

/// An extension's functions take objects, and we cannot exchange them in a table that we do not know. So the provider
/// is asked, but what it offers is withheld: no documented behaviour needs it (R-QEX-01, R-QEX-03).
template <NdkObject Ndk>
NTSTATUS query_extension(NDK_OBJECT_HEADER* header, const GUID* id, NDK_VERSION version,
                         NDK_EXTENSION_INTERFACE* interface) noexcept {
  auto& self = shadow_of(reinterpret_cast<Ndk*>(header));
  NDK_EXTENSION_INTERFACE offered = {};
  const NTSTATUS status =
      self.provider().NdkQueryExtension(self.real_header(), id, version, interface == nullptr ? nullptr : &offered);
  if (status != STATUS_SUCCESS) return status;
  log(LogLevel::warning, "verifier: the provider of object %p offers an extension interface, which is not passed on",
      static_cast<void*>(header));
  return STATUS_NOT_SUPPORTED;
}

// ---- slots that a version does not have

template <auto slot>
struct Absent;
template <class Table, class Result, class... Args, Result (*Table::*slot)(Args...)>
struct Absent<slot> {
  static Result call(Args...) noexcept {
    if constexpr (std::is_same_v<Result, NTSTATUS>) {
      return STATUS_NOT_SUPPORTED;
    } else {
      return Result{};  // a count: none
    }
  }
};
template <auto slot>
inline constexpr auto absent = Absent<slot>::call;

}  // namespace softndk::verifier

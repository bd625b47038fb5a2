// Structured exception handling, as far as it makes sense here: a guarded body runs, nothing is ever caught.
//
// A fault goes to the debugger or the sanitizer with the driver's own frame on top, which is what its author wants to
// see. __except's handler is compiled and never entered; __finally's block runs after the body and after __leave, but
// not when the body leaves with return, break or goto.
#ifndef SOFTNDK_WDK_DETAIL_SEH_H
#define SOFTNDK_WDK_DETAIL_SEH_H

#include "../ntdef.h"

#define EXCEPTION_EXECUTE_HANDLER 1
#define EXCEPTION_CONTINUE_SEARCH 0
#define EXCEPTION_CONTINUE_EXECUTION (-1)

typedef struct _EXCEPTION_RECORD {
  NTSTATUS ExceptionCode;
  ULONG ExceptionFlags;
  struct _EXCEPTION_RECORD* ExceptionRecord;
  PVOID ExceptionAddress;
  ULONG NumberParameters;
  ULONG_PTR ExceptionInformation[15];
} EXCEPTION_RECORD, *PEXCEPTION_RECORD;

struct _CONTEXT;
typedef struct _EXCEPTION_POINTERS {
  PEXCEPTION_RECORD ExceptionRecord;
  struct _CONTEXT* ContextRecord;
} EXCEPTION_POINTERS, *PEXCEPTION_POINTERS;

// The standard C++ library uses __try for itself, so that ordinary C++ gets none of this.
#if SOFTNDK_KERNEL_WORDS
#undef __try
#undef __except
#undef __finally
#undef __leave
// The label belongs to the block that __try opens and __except or __finally closes, so that blocks nest.
#define __try                    \
  {                              \
    __label__ softndk_seh_leave; \
    if (1)
#define SOFTNDK_SEH_END    \
  softndk_seh_leave:       \
  __attribute__((unused)); \
  }
// The formatter takes the word for an operator and parts it from its bracket, which makes it another macro.
// clang-format off
#define __except(...) SOFTNDK_SEH_END if (0 && (__VA_ARGS__))
// clang-format on
#define __finally SOFTNDK_SEH_END
#define __leave goto softndk_seh_leave

#define GetExceptionCode() ((NTSTATUS)0)
#define GetExceptionInformation() ((PEXCEPTION_POINTERS)NULL)
#define AbnormalTermination() 0
#define _exception_code() GetExceptionCode()
#define _exception_info() GetExceptionInformation()
#define _abnormal_termination() AbnormalTermination()
#endif

#endif

/* The adapter, and the objects of one end. */
#include "probe_driver.h"

NTSTATUS openAdapter(VOID) {
  static const WSK_CLIENT_DISPATCH dispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
  static const NDK_VERSION version = {2, 0};
  WSK_CLIENT_NPI client = {NULL, &dispatch};
  NET_LUID luid;
  ULONG bytes = 0;
  NTSTATUS status;

  status = WskRegister(&client, &Probe.Registration);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  Probe.Registered = TRUE;
  status = WskCaptureProviderNPI(&Probe.Registration, 10000, &Probe.Npi);
  if (!NT_SUCCESS(status) || Probe.Npi.Client == NULL) {
    return NT_SUCCESS(status) ? STATUS_UNSUCCESSFUL : status;
  }

  /* The output is the table itself; a pointer to it, which seems so natural, would be too small. */
  status = Probe.Npi.Dispatch->WskControlClient(Probe.Npi.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0, NULL,
                                                sizeof(Probe.Ndk), &Probe.Ndk, NULL, NULL);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = ConvertInterfaceIndexToLuid(Probe.Interface, &luid);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = Probe.Ndk.WskOpenNdkAdapter(Probe.Npi.Client, version, Probe.Interface, &Probe.Adapter);
  if (!NT_SUCCESS(status)) {
    Probe.Adapter = NULL;
    return finish("WskOpenNdkAdapter", status);
  }
  finish("WskOpenNdkAdapter", status);

  /* How much, then the thing itself. */
  status = Probe.Adapter->Dispatch->NdkQueryAdapterInfo(Probe.Adapter, NULL, &bytes);
  if (status != STATUS_BUFFER_TOO_SMALL || bytes != sizeof(NDK_ADAPTER_INFO)) { /* of version 2: with its technology */
    return STATUS_UNSUCCESSFUL;
  }
  Probe.Info = (NDK_ADAPTER_INFO*)ExAllocatePoolWithTag(NonPagedPoolNx, bytes, PROBE_TAG);
  if (Probe.Info == NULL) {
    return STATUS_NO_MEMORY;
  }
  status =
      finish("NdkQueryAdapterInfo", Probe.Adapter->Dispatch->NdkQueryAdapterInfo(Probe.Adapter, Probe.Info, &bytes));
  if (NT_SUCCESS(status)) {
    logf("version %hu.%hu, technology %d, flags 0x%lx", Probe.Info->Version.Major, Probe.Info->Version.Minor,
         Probe.Info->RdmaTechnology, Probe.Info->AdapterFlags);
    logf("registration %llu bytes, FRMR %lu pages, SGEs %lu/%lu/%lu", (ULONG64)Probe.Info->MaxRegistrationSize,
         Probe.Info->FRMRPageCount, Probe.Info->MaxInitiatorRequestSge, Probe.Info->MaxReceiveRequestSge,
         Probe.Info->MaxReadRequestSge);
    logf("depths: receive %lu, initiator %lu, SRQ %lu, CQ %lu; private data %lu/%lu", Probe.Info->MaxReceiveQueueDepth,
         Probe.Info->MaxInitiatorQueueDepth, Probe.Info->MaxSrqDepth, Probe.Info->MaxCqDepth, Probe.Info->MaxCallerData,
         Probe.Info->MaxCalleeData);
  }
  return status;
}

/* Locked page by page, as one would with memory that is not nonpaged pool. */
static NTSTATUS lockBuffer(PEND end) {
  NTSTATUS status = STATUS_SUCCESS;
  end->Buffer = (PUCHAR)ExAllocatePoolWithTag(NonPagedPoolNx, BUFFER_BYTES, PROBE_TAG);
  if (end->Buffer == NULL) {
    return STATUS_NO_MEMORY;
  }
  end->Mdl = IoAllocateMdl(end->Buffer, BUFFER_BYTES, FALSE, FALSE, NULL);
  if (end->Mdl == NULL) {
    return STATUS_NO_MEMORY;
  }
  __try {
    MmProbeAndLockPages(end->Mdl, KernelMode, IoModifyAccess);
    end->Locked = TRUE;
  } __except (EXCEPTION_EXECUTE_HANDLER) {
    status = GetExceptionCode();
    logf("MmProbeAndLockPages raised 0x%08lx", status);
  }
  return status;
}

NTSTATUS createEnd(PEND end) {
  const ULONG rights = NDK_MR_FLAG_ALLOW_REMOTE_READ | NDK_MR_FLAG_ALLOW_REMOTE_WRITE;
  NDK_CQ* cq = NULL;
  NDK_MR* mr = NULL;
  NDK_QP* qp = NULL;
  NTSTATUS returned;
  NTSTATUS status;

  status = lockBuffer(end);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  returned = Probe.Adapter->Dispatch->NdkCreateCq(Probe.Adapter, 16, NULL, NULL, NULL, created, NULL, &cq);
  status = finish("NdkCreateCq", returned);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  end->Cq = (NDK_CQ*)made(returned, cq);
  end->Cq->Dispatch->NdkArmCq(end->Cq, NDK_CQ_NOTIFY_ANY); /* there is nobody to notify: nothing happens */

  returned = Probe.Pd->Dispatch->NdkCreateMr(Probe.Pd, FALSE, created, NULL, &mr);
  status = finish("NdkCreateMr", returned);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  end->Mr = (NDK_MR*)made(returned, mr);
  status = finish("NdkRegisterMr",
                  end->Mr->Dispatch->NdkRegisterMr(end->Mr, end->Mdl, BUFFER_BYTES, rights, complete, NULL));
  if (!NT_SUCCESS(status)) {
    return status;
  }
  end->Token = end->Mr->Dispatch->NdkGetLocalTokenFromMr(end->Mr);

  returned = Probe.Pd->Dispatch->NdkCreateQp(Probe.Pd, end->Cq, end->Cq, end, 8, 8, 1, 1, 0, created, NULL, &qp);
  status = finish("NdkCreateQp", returned);
  if (NT_SUCCESS(status)) {
    end->Qp = (NDK_QP*)made(returned, qp);
  }
  return status;
}

VOID closeEnd(PEND end) {
  if (end->Connector != NULL) {
    closeObject("NdkCloseConnector", &end->Connector->Header, end->Connector->Dispatch->NdkCloseConnector);
  }
  if (end->Qp != NULL) {
    closeObject("NdkCloseQp", &end->Qp->Header, end->Qp->Dispatch->NdkCloseQp);
  }
  if (end->Mr != NULL) {
    closeObject("NdkCloseMr", &end->Mr->Header, end->Mr->Dispatch->NdkCloseMr);
  }
  if (end->Cq != NULL) {
    closeObject("NdkCloseCq", &end->Cq->Header, end->Cq->Dispatch->NdkCloseCq);
  }
  if (end->Locked) {
    MmUnlockPages(end->Mdl);
  }
  if (end->Mdl != NULL) {
    IoFreeMdl(end->Mdl);
  }
  if (end->Buffer != NULL) {
    ExFreePoolWithTag(end->Buffer, PROBE_TAG);
  }
}

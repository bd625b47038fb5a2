/* The file and the registry. */
#include "probe_driver.h"

/* To the debugger and to the file. PASSIVE_LEVEL. */
VOID logf(const char* format, ...) {
  IO_STATUS_BLOCK io;
  va_list arguments;
  va_start(arguments, format);
  RtlStringCbVPrintfA(Probe.Line, sizeof(Probe.Line), format, arguments);
  va_end(arguments);
  DbgPrint("probe_driver: %s\n", Probe.Line);
  if (Probe.Log != NULL) {
    ZwWriteFile(Probe.Log, NULL, NULL, NULL, &io, Probe.Line, (ULONG)strlen(Probe.Line), NULL, NULL);
    ZwWriteFile(Probe.Log, NULL, NULL, NULL, &io, (PVOID) "\r\n", 2, NULL, NULL);
  }
}

VOID openLog(VOID) {
  UNICODE_STRING path;
  OBJECT_ATTRIBUTES attributes;
  IO_STATUS_BLOCK io;
  NTSTATUS status;
  RtlInitUnicodeString(&path, Probe.LogPath);
  InitializeObjectAttributes(&attributes, &path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
  status = ZwCreateFile(&Probe.Log, FILE_APPEND_DATA | SYNCHRONIZE, &attributes, &io, NULL, FILE_ATTRIBUTE_NORMAL,
                        FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN_IF, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
  if (!NT_SUCCESS(status)) {
    Probe.Log = NULL;
    logf("no log file %ws: 0x%08lx", Probe.LogPath, status);
  }
}

static NTSTATUS openKey(PUNICODE_STRING servicePath) {
  UNICODE_STRING parameters;
  OBJECT_ATTRIBUTES attributes;
  HANDLE service;
  NTSTATUS status;
  InitializeObjectAttributes(&attributes, servicePath, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
  status = ZwOpenKey(&service, KEY_READ, &attributes);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  RtlInitUnicodeString(&parameters, L"Parameters");
  InitializeObjectAttributes(&attributes, &parameters, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, service, NULL);
  status = ZwCreateKey(&Probe.Key, KEY_READ | KEY_SET_VALUE, &attributes, 0, NULL, 0, NULL);
  ZwClose(service);
  return status;
}

static NTSTATUS queryValue(const WCHAR* name, ULONG type, PVOID to, ULONG bytes) {
  ULONG64 room[(sizeof(KEY_VALUE_PARTIAL_INFORMATION) + VALUE_BYTES_MAX) / sizeof(ULONG64)];
  KEY_VALUE_PARTIAL_INFORMATION* value = (KEY_VALUE_PARTIAL_INFORMATION*)room;
  UNICODE_STRING valueName;
  ULONG needed;
  NTSTATUS status;
  if (Probe.Key == NULL) {
    return STATUS_INVALID_HANDLE;
  }
  RtlInitUnicodeString(&valueName, name);
  status = ZwQueryValueKey(Probe.Key, &valueName, KeyValuePartialInformation, value, sizeof(room), &needed);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  if (value->Type != type || value->DataLength > bytes) {
    return STATUS_OBJECT_TYPE_MISMATCH;
  }
  RtlCopyMemory(to, value->Data, value->DataLength);
  return STATUS_SUCCESS;
}

static VOID setValue(const WCHAR* name, ULONG type, PVOID data, ULONG bytes) {
  UNICODE_STRING valueName;
  if (Probe.Key != NULL) {
    RtlInitUnicodeString(&valueName, name);
    ZwSetValueKey(Probe.Key, &valueName, 0, type, data, bytes);
  }
}

/* What is not there keeps its default. */
NTSTATUS readParameters(PUNICODE_STRING servicePath) {
  WCHAR address[64];
  NTSTATUS status;
  Probe.Interface = 1;
  RtlZeroMemory(address, sizeof(address));
  RtlCopyMemory(address, L"127.0.0.1", sizeof(L"127.0.0.1"));
  RtlCopyMemory(Probe.LogPath, L"\\??\\C:\\ndkprobe.log", sizeof(L"\\??\\C:\\ndkprobe.log"));

  status = openKey(servicePath);
  if (!NT_SUCCESS(status)) {
    logf("no key %wZ: 0x%08lx", servicePath, status);
  }
  queryValue(L"InterfaceIndex", REG_DWORD, &Probe.Interface, sizeof(Probe.Interface));
  queryValue(L"LocalAddress", REG_SZ, address, sizeof(address) - sizeof(WCHAR));
  queryValue(L"LogFile", REG_SZ, Probe.LogPath, sizeof(Probe.LogPath) - sizeof(WCHAR));
  Probe.Address.sin_family = AF_INET;
  return RtlIpv4StringToAddressExW(address, TRUE, &Probe.Address.sin_addr, &Probe.Address.sin_port);
}

VOID writeResult(NTSTATUS status) {
  WCHAR summary[RTL_NUMBER_OF(Probe.Line)];
  ULONG i;
  for (i = 0; Probe.Line[i] != 0; ++i) {
    summary[i] = (WCHAR)(UCHAR)Probe.Line[i];
  }
  summary[i] = 0;
  setValue(L"Result", REG_DWORD, &status, sizeof(status));
  setValue(L"Steps", REG_DWORD, &Probe.Steps, sizeof(Probe.Steps));
  setValue(L"Summary", REG_SZ, summary, (i + 1) * sizeof(WCHAR));
}

/*
 * The service's entry with the service manager. The agent could ask sc.exe for
 * the same; but that answers in the language of the system, and has no word for
 * some of it.
 */
#include "service_setup.h"

#include <stdio.h>

#define TITLE L"migasfree agent"
#define DESCRIPTION \
  L"Remote access to this computer, for those who administer it"
/* A virtual account: no password, no logon, the rights of a user. */
#define ACCOUNT L"NT SERVICE\\" SERVICE_NAME
/* What a network client needs; everything else is taken away. */
#define PRIVILEGES L"SeChangeNotifyPrivilege\0"
#define RESTART_RESET_SECONDS 86400
#define EVENT_KEY                                                      \
  L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\" SERVICE_NAME

static int configure(SC_HANDLE service, DWORD what, void *info) {
  return ChangeServiceConfig2W(service, what, info);
}

/* How it is started anew, when this very program should end. */
static int set_restarts(SC_HANDLE service) {
  SC_ACTION actions[] = {{SC_ACTION_RESTART, 2000},
                         {SC_ACTION_RESTART, 10000},
                         {SC_ACTION_RESTART, 60000}};
  SERVICE_FAILURE_ACTIONSW failure = {.dwResetPeriod = RESTART_RESET_SECONDS,
                                      .cActions = 3,
                                      .lpsaActions = actions};
  return configure(service, SERVICE_CONFIG_FAILURE_ACTIONS, &failure);
}

/* What a Windows may lack, or Wine does: told, and gone without. */
static void set_extras(SC_HANDLE service) {
  SERVICE_DELAYED_AUTO_START_INFO delayed = {TRUE};
  SERVICE_FAILURE_ACTIONS_FLAG flag = {TRUE};
  SERVICE_SID_INFO sid = {SERVICE_SID_TYPE_UNRESTRICTED};
  SERVICE_REQUIRED_PRIVILEGES_INFOW rights = {PRIVILEGES};
  struct {
    DWORD what;
    void *info;
    const char *name;
  } extras[] = {
      {SERVICE_CONFIG_DELAYED_AUTO_START_INFO, &delayed, "delayed start"},
      {SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, &flag, "restart after an error"},
      {SERVICE_CONFIG_SERVICE_SID_INFO, &sid, "an identity of its own"},
      {SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO, &rights, "fewest privileges"},
  };
  for (size_t at = 0; at < sizeof extras / sizeof extras[0]; at++) {
    if (!configure(service, extras[at].what, extras[at].info)) {
      printf("without %s: error %lu\n", extras[at].name, GetLastError());
    }
  }
}

static DWORD add_event_source(void) {
  wchar_t path[MAX_PATH];
  DWORD types = EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE |
                EVENTLOG_INFORMATION_TYPE;
  DWORD length = GetModuleFileNameW(NULL, path, MAX_PATH);
  if (length == 0 || length == MAX_PATH) return ERROR_BUFFER_OVERFLOW;
  DWORD error = (DWORD)RegSetKeyValueW(HKEY_LOCAL_MACHINE, EVENT_KEY,
                                       L"EventMessageFile", REG_EXPAND_SZ, path,
                                       (length + 1) * sizeof *path);
  if (error != NO_ERROR) return error;
  return (DWORD)RegSetKeyValueW(HKEY_LOCAL_MACHINE, EVENT_KEY,
                                L"TypesSupported", REG_DWORD, &types,
                                sizeof types);
}

static DWORD install(SC_HANDLE manager, const wchar_t *command) {
  SC_HANDLE service = CreateServiceW(
      manager, SERVICE_NAME, TITLE, SERVICE_ALL_ACCESS,
      SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START, SERVICE_ERROR_NORMAL,
      command, NULL, NULL, NULL, ACCOUNT, NULL);
  if (!service && GetLastError() == ERROR_SERVICE_EXISTS) {
    service = OpenServiceW(manager, SERVICE_NAME, SERVICE_ALL_ACCESS);
    if (service &&
        !ChangeServiceConfigW(service, SERVICE_WIN32_OWN_PROCESS,
                              SERVICE_AUTO_START, SERVICE_ERROR_NORMAL, command,
                              NULL, NULL, NULL, ACCOUNT, NULL, TITLE)) {
      DWORD error = GetLastError();
      CloseServiceHandle(service);
      return error;
    }
  }
  if (!service) return GetLastError();
  SERVICE_DESCRIPTIONW description = {DESCRIPTION};
  int is_set =
      configure(service, SERVICE_CONFIG_DESCRIPTION, &description) &&
      set_restarts(service);
  DWORD error = is_set ? add_event_source() : GetLastError();
  if (error == NO_ERROR) set_extras(service);
  CloseServiceHandle(service);
  return error;
}

/* Prints the state and the process, as numbers. */
static DWORD query(SC_HANDLE service) {
  SERVICE_STATUS_PROCESS status;
  DWORD needed;
  if (!QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)&status,
                            sizeof status, &needed)) {
    return GetLastError();
  }
  printf("%lu %lu\n", status.dwCurrentState, status.dwProcessId);
  return NO_ERROR;
}

static DWORD act(SC_HANDLE service, const wchar_t *verb) {
  SERVICE_STATUS status;
  BOOL is_done;
  if (wcscmp(verb, L"--query") == 0) return query(service);
  if (wcscmp(verb, L"--start") == 0) {
    is_done = StartServiceW(service, 0, NULL);
  } else if (wcscmp(verb, L"--stop") == 0) {
    is_done = ControlService(service, SERVICE_CONTROL_STOP, &status);
  } else {
    RegDeleteKeyW(HKEY_LOCAL_MACHINE, EVENT_KEY);
    is_done = DeleteService(service);
  }
  return is_done ? NO_ERROR : GetLastError();
}

static DWORD access_for(const wchar_t *verb) {
  if (wcscmp(verb, L"--query") == 0) return SERVICE_QUERY_STATUS;
  if (wcscmp(verb, L"--start") == 0) return SERVICE_START;
  if (wcscmp(verb, L"--stop") == 0) return SERVICE_STOP;
  return wcscmp(verb, L"--delete") == 0 ? DELETE : 0;
}

DWORD set_up_service(const wchar_t *verb, const wchar_t *command) {
  int is_install = wcscmp(verb, L"--install") == 0;
  DWORD access = access_for(verb);
  if (!is_install && access == 0) return ERROR_INVALID_PARAMETER;
  SC_HANDLE manager = OpenSCManagerW(
      NULL, NULL, is_install ? SC_MANAGER_CREATE_SERVICE : SC_MANAGER_CONNECT);
  if (!manager) return GetLastError();
  DWORD error;
  if (is_install) {
    error = install(manager, command);
  } else {
    SC_HANDLE service = OpenServiceW(manager, SERVICE_NAME, access);
    error = service ? act(service, verb) : GetLastError();
    if (service) CloseServiceHandle(service);
  }
  CloseServiceHandle(manager);
  return error;
}

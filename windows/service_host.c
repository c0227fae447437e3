/*
 * migasfree-agent-service.exe: the Windows service that keeps the agent alive.
 *
 * The service manager wants callbacks on threads of its own, at any moment;
 * this program gives them, and runs the agent as a child. Its command line,
 * without its own name, is the child's. docs/adr says why it is no part of
 * the agent.
 *
 * The child's standard output is its word to us, one message a line, as in
 * sd_notify(3): READY=1, WATCHDOG=1. The end of its standard input asks it to
 * stop. A job object takes care that it never outlives us.
 */
#include <stdio.h>
#include <windows.h>

#include "events.h"
#include "service_setup.h"

/* Windows asks for an end within 5 s at a shutdown; the job needs the rest. */
#define STOP_GRACE_MS 4000
#define STOP_HINT_MS 6000
/* The agent says READY when it is online, or has begun to try again. */
#define START_WAIT_MS 20000
#define START_HINT_MS 25000
/* The agent feeds us every few seconds, while its control loop turns. */
#define HANG_MS 30000
/* What an agent that notices it itself ends with. */
#define HANG_EXIT_CODE 75
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 60000
/* Who has lived so long has been well. */
#define STABLE_MS 60000
#define POLL_MS 250
#define LISTENER_WAIT_MS 500
#define LINE_MAX_BYTES 1024
#define WORDS_MAX_BYTES 4096

static SERVICE_STATUS_HANDLE status_handle;
static HANDLE stop_event;
static HANDLE event_log;
static wchar_t *child_command;
static DWORD service_exit_code = NO_ERROR;

/* What the thread that listens to the child knows; not ready: 0. */
static volatile LONG64 ready_at_ms;
static volatile LONG64 fed_at_ms;
/* What it said that was no message, as far as it fits: why it ended. */
static char its_words[WORDS_MAX_BYTES];
static CRITICAL_SECTION words_lock;

static void report(DWORD event, WORD type, const wchar_t *text) {
  if (event_log) {
    ReportEventW(event_log, type, 0, event, NULL, 1, 0, &text, NULL);
  }
}

static void set_status(DWORD state, DWORD hint_ms) {
  static DWORD checkpoint;
  SERVICE_STATUS status = {.dwServiceType = SERVICE_WIN32_OWN_PROCESS};
  int is_pending =
      state == SERVICE_START_PENDING || state == SERVICE_STOP_PENDING;
  status.dwCurrentState = state;
  status.dwControlsAccepted =
      state == SERVICE_STOPPED || state == SERVICE_STOP_PENDING
          ? 0
          : SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN;
  status.dwWin32ExitCode = state == SERVICE_STOPPED ? service_exit_code : 0;
  status.dwCheckPoint = is_pending ? ++checkpoint : 0;
  status.dwWaitHint = hint_ms;
  SetServiceStatus(status_handle, &status);
}

/* Runs on a thread of the service manager's. */
static DWORD WINAPI on_control(DWORD control, DWORD type, void *data,
                               void *context) {
  (void)type, (void)data, (void)context;
  switch (control) {
  case SERVICE_CONTROL_STOP:
  case SERVICE_CONTROL_SHUTDOWN:
    set_status(SERVICE_STOP_PENDING, STOP_HINT_MS);
    SetEvent(stop_event);
    return NO_ERROR;
  case SERVICE_CONTROL_INTERROGATE:
    return NO_ERROR;
  default:
    return ERROR_CALL_NOT_IMPLEMENTED;
  }
}

static void take_line(const char *line) {
  LONG64 now = (LONG64)GetTickCount64();
  if (strcmp(line, "READY=1") == 0) {
    InterlockedExchange64(&fed_at_ms, now);
    InterlockedExchange64(&ready_at_ms, now);
  } else if (strcmp(line, "WATCHDOG=1") == 0) {
    InterlockedExchange64(&fed_at_ms, now);
  } else if (strcmp(line, "STOPPING=1") != 0) {
    EnterCriticalSection(&words_lock);
    size_t length = strlen(its_words);
    snprintf(its_words + length, sizeof its_words - length, "%s\r\n", line);
    LeaveCriticalSection(&words_lock);
  }
}

/* Reads the child's messages until it has closed its output. Owns the pipe. */
static DWORD WINAPI listen_to_child(void *pipe) {
  char bytes[512];
  char line[LINE_MAX_BYTES];
  DWORD count;
  size_t length = 0;
  while (ReadFile(pipe, bytes, sizeof bytes, &count, NULL) && count > 0) {
    for (DWORD at = 0; at < count; at++) {
      if (bytes[at] == '\n') {
        line[length] = 0;
        take_line(line);
        length = 0;
      } else if (length + 1 < sizeof line) {
        line[length++] = bytes[at];
      }
    }
  }
  CloseHandle(pipe);
  return 0;
}

struct child {
  HANDLE process;
  /* Its end asks the child to stop. */
  HANDLE input;
  HANDLE listener;
};

static HANDLE make_job(void) {
  HANDLE job = CreateJobObjectW(NULL, NULL);
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
  limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
  SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits,
                          sizeof limits);
  return job;
}

/* Returns 0, with the system's error left for GetLastError. */
static int start_child(struct child *child, HANDLE job) {
  SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
  HANDLE its_input, its_output, our_output;
  PROCESS_INFORMATION info;
  STARTUPINFOW startup = {.cb = sizeof startup};
  /* CreateProcessW writes into the text. */
  wchar_t *command = _wcsdup(child_command);
  if (!command || !CreatePipe(&its_input, &child->input, &inherited, 0) ||
      !CreatePipe(&our_output, &its_output, &inherited, 0)) {
    return 0;
  }
  SetHandleInformation(child->input, HANDLE_FLAG_INHERIT, 0);
  SetHandleInformation(our_output, HANDLE_FLAG_INHERIT, 0);
  startup.dwFlags = STARTF_USESTDHANDLES;
  startup.hStdInput = its_input;
  startup.hStdOutput = its_output;
  startup.hStdError = its_output;
  /* It feeds us from its first moment on. */
  ready_at_ms = 0;
  its_words[0] = 0;
  fed_at_ms = (LONG64)GetTickCount64();
  BOOL is_started = CreateProcessW(NULL, command, NULL, NULL, TRUE,
                                   CREATE_NO_WINDOW | CREATE_SUSPENDED, NULL,
                                   NULL, &startup, &info);
  DWORD error = GetLastError();
  free(command);
  CloseHandle(its_input);
  CloseHandle(its_output);
  if (!is_started) {
    CloseHandle(child->input);
    CloseHandle(our_output);
    SetLastError(error);
    return 0;
  }
  /* Before it runs, or what it starts might get away. */
  AssignProcessToJobObject(job, info.hProcess);
  child->process = info.hProcess;
  child->listener = CreateThread(NULL, 0, listen_to_child, our_output, 0, NULL);
  ResumeThread(info.hThread);
  CloseHandle(info.hThread);
  return 1;
}

static void stop_child(struct child *child) {
  CloseHandle(child->input);
  child->input = NULL;
  if (WaitForSingleObject(child->process, STOP_GRACE_MS) == WAIT_OBJECT_0) {
    return;
  }
  report(EVENT_WARNED, EVENTLOG_WARNING_TYPE,
         L"The agent did not stop in time: it is ended");
  TerminateProcess(child->process, 1);
}

static int is_hanging(void) {
  LONG64 fed_ms = InterlockedCompareExchange64(&fed_at_ms, 0, 0);
  return (LONG64)GetTickCount64() - fed_ms > HANG_MS;
}

static void announce(void) {
  static int is_announced;
  if (is_announced) return;
  is_announced = 1;
  set_status(SERVICE_RUNNING, 0);
  report(EVENT_SAID, EVENTLOG_INFORMATION_TYPE, L"The agent was started");
}

/* Waits for the child's end, or for ours. Returns whether it is ours. */
static int watch_child(struct child *child) {
  HANDLE either[] = {stop_event, child->process};
  ULONGLONG start_ms = GetTickCount64();
  for (;;) {
    DWORD which = WaitForMultipleObjects(2, either, FALSE, POLL_MS);
    if (which == WAIT_OBJECT_0) {
      stop_child(child);
      return 1;
    }
    if (which == WAIT_OBJECT_0 + 1) return 0;
    if (ready_at_ms != 0 || GetTickCount64() - start_ms > START_WAIT_MS) {
      announce();
    }
    if (is_hanging()) {
      report(EVENT_FAILED, EVENTLOG_ERROR_TYPE,
             L"The agent makes no progress: it is started anew");
      TerminateProcess(child->process, HANG_EXIT_CODE);
      InterlockedExchange64(&fed_at_ms, (LONG64)GetTickCount64());
    }
  }
}

/* Waits until all that the child said has been heard. */
static void close_child(struct child *child) {
  if (child->input) CloseHandle(child->input);
  CloseHandle(child->process);
  if (child->listener) {
    WaitForSingleObject(child->listener, LISTENER_WAIT_MS);
    CloseHandle(child->listener);
  }
  ZeroMemory(child, sizeof *child);
}

static void report_end(DWORD exit_code, DWORD retry_ms) {
  wchar_t words[WORDS_MAX_BYTES] = L"";
  wchar_t text[WORDS_MAX_BYTES + 64];
  EnterCriticalSection(&words_lock);
  /* Cut within a letter, the last one is written as a mark. */
  MultiByteToWideChar(CP_UTF8, 0, its_words, -1, words, WORDS_MAX_BYTES);
  LeaveCriticalSection(&words_lock);
  snwprintf(text, WORDS_MAX_BYTES + 64,
            L"The agent ended with %lu, and is started again in %lu s.\r\n%ls",
            exit_code, retry_ms / 1000, words);
  report(EVENT_WARNED, EVENTLOG_WARNING_TYPE, text);
}

static void keep_child(HANDLE job) {
  struct child child = {0};
  DWORD retry_ms = RETRY_FIRST_MS;
  for (;;) {
    ULONGLONG start_ms = GetTickCount64();
    if (!start_child(&child, job)) {
      service_exit_code = GetLastError();
      report(EVENT_FAILED, EVENTLOG_ERROR_TYPE, L"The agent cannot be started");
      return;
    }
    int is_over = watch_child(&child);
    if (GetTickCount64() - start_ms > STABLE_MS) retry_ms = RETRY_FIRST_MS;
    DWORD exit_code = 0;
    GetExitCodeProcess(child.process, &exit_code);
    close_child(&child);
    if (!is_over) {
      /* The service is to keep it alive, and does. */
      announce();
      report_end(exit_code, retry_ms);
    }
    if (is_over || WaitForSingleObject(stop_event, retry_ms) == WAIT_OBJECT_0) {
      return;
    }
    retry_ms = retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : retry_ms * 2;
  }
}

static void WINAPI serve(DWORD count, wchar_t **names) {
  (void)count, (void)names;
  InitializeCriticalSection(&words_lock);
  stop_event = CreateEventW(NULL, TRUE, FALSE, NULL);
  event_log = RegisterEventSourceW(NULL, SERVICE_NAME);
  status_handle = RegisterServiceCtrlHandlerExW(SERVICE_NAME, on_control, NULL);
  if (!status_handle || !stop_event) return;
  set_status(SERVICE_START_PENDING, START_HINT_MS);
  HANDLE job = make_job();
  keep_child(job);
  CloseHandle(job);
  if (event_log) DeregisterEventSource(event_log);
  set_status(SERVICE_STOPPED, 0);
}

/* Returns what follows the first word of a command line. */
static wchar_t *after_word(wchar_t *text) {
  wchar_t end = L' ';
  if (*text == L'"') {
    end = L'"';
    text++;
  }
  while (*text && *text != end) text++;
  if (*text == L'"') text++;
  while (*text == L' ') text++;
  return text;
}

int wmain(int count, wchar_t **words) {
  SERVICE_TABLE_ENTRYW table[] = {{SERVICE_NAME, serve}, {NULL, NULL}};
  child_command = after_word(GetCommandLineW());
  if (count > 1 && wcsncmp(words[1], L"--", 2) == 0) {
    DWORD error = set_up_service(words[1], after_word(child_command));
    /* In words: of an exit status some callers see the lowest byte alone. */
    printf("error %lu\n", error);
    return error != NO_ERROR;
  }
  if (count > 1 && StartServiceCtrlDispatcherW(table)) return 0;
  fputs("This is the Windows service of migasfree-agent, and for nobody else "
        "to run: see `migasfree-agent service --help`\n",
        stderr);
  return 64;
}

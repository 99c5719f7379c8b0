/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/salvage_sql.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli_ask.h"
#include "cli/salvage_dir.h"

extern char **environ;

/* Looked for in this order. */
static const char *const programs_mariadb[] = {"mariadb-binlog", "mysqlbinlog", NULL};
static const char *const programs_mysql[] = {"mysqlbinlog", NULL};

static bool find_in_path(const char *name, char *buf, size_t size)
{
    const char *dirs = getenv("PATH");
    while (dirs != NULL && *dirs != '\0') {
        size_t n = strcspn(dirs, ":");
        if (n > 0 && snprintf(buf, size, "%.*s/%s", (int)n, dirs, name) < (int)size &&
            access(buf, X_OK) == 0)
            return true;
        dirs += n + (dirs[n] == ':');
    }
    return false;
}

const char *salvage_sql_missing(bool mariadb)
{
    const char *const *programs = mariadb ? programs_mariadb : programs_mysql;
    char path[PATH_MAX];
    for (unsigned i = 0; programs[i] != NULL; i++) {
        if (find_in_path(programs[i], path, sizeof path))
            return NULL;
    }
    return programs[0];
}

/* ---- one child ---- */

/* Starts it with its output in a pipe; it gets the signals' defaults, not this program's. */
static int start(char *const *argv, int *ret_fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    int ends[2];
    int err;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    (void)posix_spawnattr_init(&attributes);
    (void)sigemptyset(&defaults);
    (void)sigaddset(&defaults, SIGPIPE);
    (void)posix_spawnattr_setsigdefault(&attributes, &defaults);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    err = posix_spawn(ret_pid, argv[0], &actions, &attributes, argv, environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    if (err != 0)
        (void)close(ends[0]);
    else
        *ret_fd = ends[0];
    return err;
}

/* Runs it to its end and writes to `out` what it says. CLI_OK if its exit status is 0. */
static int run(const struct cli *cli, char *const *argv, FILE *out)
{
    char buf[16384];
    ssize_t n;
    pid_t pid;
    int fd = -1, status;
    int err = start(argv, &fd, &pid);
    if (err != 0)
        return cli_fail(cli, "%s cannot be run: %s", argv[0], strerror(err));
    while ((n = read(fd, buf, sizeof buf)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && fwrite(buf, 1, (size_t)n, out) != (size_t)n)
            break; /* nobody reads any more: closing the pipe ends it */
    (void)close(fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return CLI_OK;
    return cli_fail(cli, "%s ended with %s %d", argv[0],
                    WIFEXITED(status) ? "exit status" : "signal",
                    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

/* ---- which program ---- */

/* *ret_mariadb: whose it is. Its --version does not always say; its --help does, in the copyright.
 */
static int family(const struct cli *cli, char *program, bool *ret_mariadb)
{
    char no_defaults[] = "--no-defaults", help[] = "--help";
    char *argv[] = {program, no_defaults, help, NULL};
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    int status = out == NULL ? CLI_FAILED : run(cli, argv, out);
    if (out != NULL && fclose(out) != 0)
        status = CLI_FAILED;
    *ret_mariadb = text != NULL && strstr(text, "MariaDB") != NULL;
    free(text);
    return status;
}

static int choose(const struct cli *cli, bool mariadb, const char *given, char *buf, size_t size)
{
    const char *const *names = mariadb ? programs_mariadb : programs_mysql;
    bool its_mariadb = !mariadb;
    int status = CLI_OK;
    bool found = given != NULL && snprintf(buf, size, "%s", given) < (int)size;
    for (unsigned i = 0; given == NULL && !found && names[i] != NULL; i++)
        found = find_in_path(names[i], buf, size);
    if (!found)
        return cli_fail(cli,
                        "%s is in no directory of PATH: install the %s client programs, or name it "
                        "with --binlog-program",
                        names[0], mariadb ? "MariaDB" : "MySQL");
    status = family(cli, buf, &its_mariadb);
    if (status == CLI_OK && its_mariadb != mariadb)
        status = cli_fail(
            cli,
            "%s is %s's, the transactions are %s's; name another program with --binlog-program",
            buf, its_mariadb ? "MariaDB" : "MySQL", mariadb ? "MariaDB" : "MySQL");
    return status;
}

/* ---- the files ---- */

static int print_file(const struct cli *cli, char *program, const char *dir, const char *name)
{
    char path[SALVAGE_DIR_PATH_MAX + NAME_MAX + 2];
    char no_defaults[] = "--no-defaults", verbose[] = "-v",
         decode[] = "--base64-output=decode-rows";
    char *argv[] = {program, no_defaults, verbose, decode, path, NULL};
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    fprintf(cli->out, "-- %s\n", path);
    return run(cli, argv, cli->out);
}

int salvage_sql_print(const struct cli *cli, const json_t *salvage, const char *program)
{
    const json_t *manifest = json_object_get(salvage, "manifest");
    const json_t *files = json_object_get(manifest, "files");
    bool mariadb = strstr(json_member_text(manifest, "server_version", ""), "MariaDB") != NULL;
    char chosen[PATH_MAX];
    int status = choose(cli, mariadb, program, chosen, sizeof chosen);
    /* An extract reads the newest binlog first; transactions are read in the order they were made.
     */
    for (size_t i = json_array_size(files); status == CLI_OK && i-- > 0;) {
        const char *name = json_member_text(json_array_get(files, i), "name", "");
        if (strncmp(name, "events", 6) == 0 && strchr(name, '/') == NULL)
            status = print_file(cli, chosen, json_member_text(salvage, "path", ""), name);
    }
    return status;
}

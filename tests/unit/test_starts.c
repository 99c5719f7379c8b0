/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says when it ends in its start, and what that blames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "wire/starts.h"

#define DATE "2026-11-29  0:33:50 0 "
#define NOTE DATE "[Note] Starting MariaDB 10.11.19-MariaDB source revision 58 as process 11812\n"
#define INNODB_OUT                                                                 \
    DATE "[ERROR] Plugin 'InnoDB' registration as a STORAGE ENGINE failed.\n" DATE \
         "[ERROR] Unknown/unsupported storage engine: InnoDB\n"
#define ABORTING DATE "[ERROR] Aborting\n"

static void assert_blames(const char *log, int blame, const char *line)
{
    struct starts s = {.failed = 3, .blame = STARTS_BLAME_HOST, .line = "of before"};
    starts_judge(log, &s);
    assert_int_equal(s.failed, 3);
    assert_string_equal(s.line, line);
    assert_int_equal(s.blame, blame);
}

static void test_damaged_data(void **state)
{
    static const struct {
        const char *log, *line;
    } cases[] = {
        {NOTE DATE "[ERROR] InnoDB: The data file './ibdata1' has the wrong space ID. It should "
                   "be 0, but 0 was found\n" DATE
                   "[ERROR] InnoDB: Plugin initialization aborted with error Data structure "
                   "corruption\n" INNODB_OUT ABORTING,
         "InnoDB: The data file './ibdata1' has the wrong space ID. It should be 0, but 0 was "
         "found"},
        {NOTE DATE "[ERROR] InnoDB: Invalid log header checksum\n" INNODB_OUT ABORTING,
         "InnoDB: Invalid log header checksum"},
        {NOTE DATE "[ERROR] mariadbd: Got error 'Missing valid id at start of file. File is not a "
                   "valid aria control file' when trying to use aria control file "
                   "'/d/aria_log_control'\n" ABORTING,
         "mariadbd: Got error 'Missing valid id at start of file. File is not a valid aria control "
         "file' when trying to use aria control file '/d/aria_log_control'"},
        {NOTE DATE
         "[ERROR] Fatal error: Can't open and lock privilege tables: Incorrect file format "
         "'global_priv'\n" ABORTING,
         "Fatal error: Can't open and lock privilege tables: Incorrect file format 'global_priv'"},
        {"2026-11-29T01:40:29.147491Z 1 [ERROR] [MY-013089] [InnoDB] Invalid redo log header "
         "checksum.\n2026-11-29T01:40:29.210329Z 0 [ERROR] [MY-010020] [Server] Data Dictionary "
         "initialization failed.\n",
         "[MY-013089] [InnoDB] Invalid redo log header checksum."},
        {NOTE DATE "[ERROR] mariadbd: Incorrect information in file: './mysql/plugin.frm'",
         "mariadbd: Incorrect information in file: './mysql/plugin.frm'"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_blames(cases[i].log, STARTS_BLAME_DATA, cases[i].line);
}

/* A copy would not start there either. Whatever else is said: pages of a disk that is full or
 * dying, or of another server's files, cannot be read as well. */
static void test_the_host(void **state)
{
    static const char *const lines[] = {
        "mariadbd: unknown variable 'nonsense=1'",
        "Can't start server: Bind on TCP/IP port. Got error: 98: Address already in use",
        "InnoDB: Unable to lock ./ibdata1 error: 11",
        "InnoDB: Operating system error number 30 in a file operation.",
        "InnoDB: Operating system error number 5 in a file operation.",
        "mariadbd: Can't create/write to file '/d/x' (Errcode: 28 \"No space left on device\")",
        "mariadbd: File '/d/bl.index' not found (Errcode: 13 \"Permission denied\")",
        "InnoDB: Data file './ibdata1' uses page size 16384, but the innodb_page_size start-up "
        "parameter is 8192",
        "InnoDB: The data file './ibdata1' is of a different size 768 pages than the 3200 pages "
        "specified by innodb_data_file_path",
        "[MY-012264] [InnoDB] The innodb_system data file './ibdata1' is of a different size 768 "
        "pages (rounded down to MB) than the 3200 pages specified in the .cnf file!",
        "InnoDB: Table t is encrypted but encryption service or used key_id is not available.",
    };
    char log[1024];
    char line[STARTS_LINE_MAX];
    (void)state;
    for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        (void)snprintf(log, sizeof log,
                       NOTE DATE "[ERROR] InnoDB: Invalid log header checksum\n" DATE
                                 "[ERROR] %s\n" DATE
                                 "[ERROR] InnoDB: Data structure corruption\n" ABORTING,
                       lines[i]);
        (void)snprintf(line, sizeof line, "%s", lines[i]);
        assert_blames(log, STARTS_BLAME_HOST, line);
    }
}

/* A missing file may be a missing mount. */
static void test_what_blames_nothing(void **state)
{
    (void)state;
    assert_blames("", STARTS_BLAME_NOTHING, "");
    assert_blames(NOTE, STARTS_BLAME_NOTHING, "");
    assert_blames(NOTE DATE "[Warning] InnoDB: Data structure corruption\n", STARTS_BLAME_NOTHING,
                  "");
    assert_blames(NOTE DATE "[ERROR] Fatal error: Can't open and lock privilege tables: Table "
                            "'mysql.db' doesn't exist\n" ABORTING,
                  STARTS_BLAME_NOTHING,
                  "Fatal error: Can't open and lock privilege tables: Table 'mysql.db' doesn't "
                  "exist");
    assert_blames("2026-11-29T01:40:29.210329Z 0 [ERROR] [MY-010020] [Server] Data Dictionary "
                  "initialization failed.\n",
                  STARTS_BLAME_NOTHING,
                  "[MY-010020] [Server] Data Dictionary initialization failed.");
    assert_blames(NOTE DATE "[ERROR] InnoDB: File ./ib_logfile0 was not found\n" ABORTING,
                  STARTS_BLAME_NOTHING, "InnoDB: File ./ib_logfile0 was not found");
    assert_blames(NOTE DATE "[ERROR] InnoDB: Operating system error number 50 in a file "
                            "operation.\n",
                  STARTS_BLAME_NOTHING,
                  "InnoDB: Operating system error number 50 in a file "
                  "operation.");
}

/* Cut off, not over the edge. */
static void test_a_long_line(void **state)
{
    char log[1024] = DATE "[ERROR] ";
    struct starts s;
    (void)state;
    memset(log + strlen(log), 'x', 900);
    starts_judge(log, &s);
    assert_int_equal(strlen(s.line), STARTS_LINE_MAX - 1);
    assert_string_equal(starts_blame_text(STARTS_BLAME_DATA), "data");
    assert_string_equal(starts_blame_text(STARTS_BLAME_COUNT), "invalid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_data),
        cmocka_unit_test(test_the_host),
        cmocka_unit_test(test_what_blames_nothing),
        cmocka_unit_test(test_a_long_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The texts are lines that MySQL 9.7.4 and MariaDB 10.11.19 wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/recovery.h"

#define MYSQL_START                                                                               \
    "2026-11-22T21:52:13.251281Z 0 [System] [MY-010116] [Server] /usr/sbin/mysqld (mysqld 9.7.4)" \
    " starting as process 27700\n"                                                                \
    "2026-11-22T21:52:13.626801Z 0 [System] [MY-010229] [Server] Starting XA crash recovery...\n" \
    "2026-11-22T21:52:13.630533Z 0 [Note] [MY-013911] [Server] Crash recovery finished in "       \
    "binlog engine. No attempts to commit, rollback or prepare any transactions.\n"
#define MYSQL_END                                                                                \
    "2026-11-22T21:52:13.640757Z 0 [Note] [MY-013011] [InnoDB] Rolling back trx with id 1569, 1" \
    " rows to undo\n"                                                                            \
    "2026-11-22T21:52:13.640819Z 0 [Note] [MY-013012] [InnoDB] Rollback of trx with id 1569 "    \
    "completed\n"                                                                                \
    "2026-11-22T21:52:13.660931Z 0 [System] [MY-010931] [Server] mysqld: ready for connections." \
    " Version: '9.7.4-2'\n"
#define MYSQL_FOUND(n)                                                                      \
    "2026-11-22T21:52:13.630605Z 0 [Note] [MY-010224] [Server] Found " n " prepared "       \
    "transaction(s) in InnoDB\n"                                                            \
    "2026-11-22T21:52:13.634811Z 0 [Note] [MY-013911] [Server] Crash recovery finished in " \
    "InnoDB engine. "

#define MARIADB_START                                                                              \
    "2026-11-22 21:52:47 0 [Note] Starting MariaDB 10.11.19-MariaDB-0+deb12u1-log source revision" \
    " 5843d8475120241667a7ce0f8a1abb6c9b43a273 as process 28104\n"
#define MARIADB_REST                                                              \
    "2026-11-22 21:52:47 0 [Note] InnoDB: Rolled back recovered transaction 38\n" \
    "2026-11-22 21:52:47 0 [Note] Recovering after a crash using m1-bin\n"        \
    "2026-11-22 21:52:47 0 [Note] Starting table crash recovery...\n"             \
    "2026-11-22 21:52:47 0 [Note] Found 9 prepared transaction(s) in InnoDB\n"    \
    "2026-11-22 21:52:47 0 [Note] Crash table recovery finished.\n"               \
    "2026-11-22 21:52:47 0 [Note] mariadbd: ready for connections.\n"
#define MARIADB_POSITION(file, n) \
    "2026-11-22 21:52:47 0 [Note] InnoDB: Last binlog file '" file "', position " n "\n"

static struct recovery_report read_text(const char *text)
{
    struct recovery_report r;
    recovery_report_init(&r);
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        recovery_report_line(&r, text, n);
        text += n + 1;
    }
    return r;
}

static void check_mysql(const char *text, uint32_t expected, enum recovery_verdict verdict)
{
    struct recovery_report r = read_text(text);
    assert_int_equal(recovery_judge(&r, GTID_MYSQL, expected, "/d/binlog.000001", 1000), verdict);
}

static void check_mariadb(const char *text, const char *file, uint64_t cut, uint32_t expected,
                          enum recovery_verdict verdict)
{
    struct recovery_report r = read_text(text);
    assert_int_equal(recovery_judge(&r, GTID_MARIADB, expected, file, cut), verdict);
}

/* 5.7.44's whole word on it; 8.0.27 says no more. */
#define MYSQL57_RECOVERY                                                                       \
    "2026-11-22T21:52:13.140757Z 0 [Note] mysqld (mysqld 5.7.44-log) starting as process 77\n" \
    "2026-11-22T21:52:13.626801Z 0 [Note] InnoDB: 2 transaction(s) which must be rolled back " \
    "or cleaned up in total 2 row operations to undo\n"                                        \
    "2026-11-22T21:52:13.630533Z 0 [Note] Recovering after a crash using m1-bin\n"             \
    "2026-11-22T21:52:13.630605Z 0 [Note] Starting crash recovery...\n"                        \
    "2026-11-22T21:52:13.630701Z 0 [Note] Crash recovery finished.\n"                          \
    "2026-11-22T21:52:13.660931Z 0 [Note] mysqld: ready for connections.\n"
#define MYSQL8027_RECOVERY                                                                        \
    "2026-11-22T21:52:13.251281Z 0 [System] [MY-010116] [Server] mysqld (mysqld 8.0.27) "         \
    "starting as process 27700\n"                                                                 \
    "2026-11-22T21:52:13.626801Z 0 [System] [MY-010229] [Server] Starting XA crash recovery...\n" \
    "2026-11-22T21:52:13.630605Z 0 [Note] [MY-010224] [Server] Found 11 prepared "                \
    "transaction(s) in InnoDB\n"                                                                  \
    "2026-11-22T21:52:13.640757Z 0 [System] [MY-010232] [Server] XA crash recovery finished.\n"   \
    "2026-11-22T21:52:13.660931Z 0 [System] [MY-010931] [Server] mysqld: ready for connections.\n"

/* What they write proves nothing, so nothing is cut there: the one follows from the other. */
static void test_before_8_0_28_nothing_is_told(void **state)
{
    (void)state;
    check_mysql(MYSQL57_RECOVERY, 0, RECOVERY_UNKNOWN);
    check_mysql(MYSQL8027_RECOVERY, 0, RECOVERY_UNKNOWN);
    assert_false(recovery_is_told(GTID_MYSQL, 50744));
    assert_false(recovery_is_told(GTID_MYSQL, 80016));
    assert_false(recovery_is_told(GTID_MYSQL, 80027));
    assert_true(recovery_is_told(GTID_MYSQL, 80028));
    assert_true(recovery_is_told(GTID_MYSQL, 90704));
    assert_true(recovery_is_told(GTID_MARIADB, 100600));
    assert_false(recovery_is_told(GTID_MYSQL, 0)); /* no version that can be read */
}

static void test_mysql_counts(void **state)
{
    struct recovery_report r =
        read_text(MYSQL_START MYSQL_FOUND("14") "Successfully committed 2 internal transaction(s). "
                                                "Successfully rolled back 11 internal "
                                                "transaction(s). Successfully rolled back 1 XA "
                                                "transaction(s). \n" MYSQL_END);
    (void)state;
    assert_int_equal(r.starts, 1);
    assert_true(r.crash_recovery);
    assert_true(r.found);
    assert_true(r.ready);
    assert_false(r.failed);
    assert_int_equal(r.prepared, 14);
    assert_int_equal(r.rolled_back, 12);
    assert_int_equal(r.committed, 2);
    assert_int_equal(r.active_rolled_back, 1);
    assert_string_equal(recovery_verdict_id(RECOVERY_TOO_FEW), "recovery-too-few");
}

static void test_mysql_verdicts(void **state)
{
#define ELEVEN               \
    MYSQL_START MYSQL_FOUND( \
        "11") "Successfully rolled back 11 internal transaction(s). \n" MYSQL_END
    (void)state;
    check_mysql(ELEVEN, 11, RECOVERY_AGREES);
    check_mysql(ELEVEN, 9, RECOVERY_AGREES);
    check_mysql(ELEVEN, 12, RECOVERY_TOO_FEW);
    /* as MySQL 9.7.4 wrote it: the last acknowledged commits stay, the cut ones go */
    check_mysql(MYSQL_START MYSQL_FOUND("13") "Successfully committed 2, rolled back 11 internal "
                                              "transaction(s). \n" MYSQL_END,
                11, RECOVERY_AGREES);
    check_mysql(MYSQL_START MYSQL_FOUND("13") "Successfully committed 2, rolled back 11 internal "
                                              "transaction(s). \n" MYSQL_END,
                12, RECOVERY_TOO_FEW);
    check_mysql(MYSQL_START MYSQL_FOUND("3") "Successfully committed 3 internal transaction(s). \n",
                1, RECOVERY_TOO_FEW);
    check_mysql(MYSQL_START MYSQL_FOUND("3") "Failed to rollback 3 internal transaction(s). \n", 0,
                RECOVERY_FAILED);
    /* log_error_verbosity = 2: there was a recovery, but no numbers */
    check_mysql("2026-11-22T21:51:40Z 0 [System] [MY-010229] [Server] Starting XA crash "
                "recovery...\n" MYSQL_END,
                0, RECOVERY_UNKNOWN);
    check_mysql("", 0, RECOVERY_UNKNOWN);
}

static void test_mariadb_verdicts(void **state)
{
#define AT(file, n) MARIADB_START MARIADB_POSITION(file, n) MARIADB_REST
    (void)state;
    check_mariadb(AT("./m1-bin.000002", "1192"), "/d/m1-bin.000002", 1192, 2, RECOVERY_AGREES);
    check_mariadb(AT("./m1-bin.000002", "800"), "m1-bin.000002", 1192, 9, RECOVERY_AGREES);
    check_mariadb(AT("./m1-bin.000001", "9999"), "./m1-bin.000002", 1192, 2, RECOVERY_AGREES);
    check_mariadb(AT("./m1-bin.000002", "1193"), "/d/m1-bin.000002", 1192, 2, RECOVERY_BEYOND_CUT);
    check_mariadb(AT("/d/m1-bin.000003", "4"), "/d/m1-bin.000002", 1192, 2, RECOVERY_BEYOND_CUT);
    check_mariadb(AT("./other.000002", "800"), "/d/m1-bin.000002", 1192, 2, RECOVERY_UNKNOWN);
    check_mariadb(AT("./m1-bin.000002", "800"), "/d/m1-bin.000002", 1192, 10, RECOVERY_TOO_FEW);
    check_mariadb(MARIADB_START MARIADB_REST, "m1-bin.000002", 1192, 2, RECOVERY_UNKNOWN);
    check_mariadb(MARIADB_START MARIADB_POSITION("./m1-bin.000002", "800"), "m1-bin.000002", 1192,
                  0, RECOVERY_UNKNOWN);
}

/* A later start, of a server that has committed beyond the cut by then, says nothing of it; one
 * that died in its recovery counts together with the next. */
static void test_the_first_start_that_succeeds(void **state)
{
    struct recovery_report r =
        read_text(AT("./m1-bin.000002", "1192") MARIADB_START MARIADB_POSITION(
            "./m1-bin.000003", "4711") "2026-11-22 21:53:47 0 [Note] Found 5 prepared "
                                       "transaction(s) in InnoDB\n");
    (void)state;
    assert_int_equal(recovery_judge(&r, GTID_MARIADB, 9, "/d/m1-bin.000002", 1192),
                     RECOVERY_AGREES);
    assert_int_equal(recovery_judge(&r, GTID_MARIADB, 10, "/d/m1-bin.000002", 1192),
                     RECOVERY_TOO_FEW);
    check_mysql(MYSQL_START MYSQL_FOUND("4") "Successfully rolled back 4 internal "
                                             "transaction(s). \n" ELEVEN,
                15, RECOVERY_AGREES);
    check_mysql(ELEVEN ELEVEN, 12, RECOVERY_TOO_FEW);
}

static void test_ddl_log(void **state)
{
    struct recovery_report r =
        read_text("2026-11-22 21:52:51 0 [Note] DDL_LOG: Crash recovery executed 2 entries\n");
    (void)state;
    assert_int_equal(r.ddl_entries, 2);
}

static void test_numbers_do_not_overflow(void **state)
{
    struct recovery_report r =
        read_text("Found 99999999999999999999999999 prepared transaction(s) in InnoDB\n"
                  "Found 1 prepared transaction(s) in InnoDB\n"
                  "Found  prepared transaction(s) in InnoDB\n"
                  "Last binlog file './x, position 1\n"
                  "Last binlog file '' position 1\n");
    (void)state;
    assert_int_equal(r.prepared, UINT32_MAX);
    assert_false(r.has_position);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_8_0_28_nothing_is_told),
        cmocka_unit_test(test_mysql_counts),
        cmocka_unit_test(test_mysql_verdicts),
        cmocka_unit_test(test_mariadb_verdicts),
        cmocka_unit_test(test_the_first_start_that_succeeds),
        cmocka_unit_test(test_ddl_log),
        cmocka_unit_test(test_numbers_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

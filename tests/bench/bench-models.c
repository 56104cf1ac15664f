/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

/* What looking through a fleet costs: 10,000 capabilities documents of 50 offers each, in the page
 * cache, on one core.
 *
 * The rival of the pass over all files is `xmllint --stream --noout`, which parses and does nothing
 * else, with the same files, all of them in one process, in the same run and by turns. What counts,
 * here and below, is the processor's time, user and system: nothing waits, and other processes of
 * the machine do not count. Memory is the peak that the kernel saw, of the process that looks for
 * offers, and for the index what the process has more of it than before. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "fleet-maker.h"
#include "xml/baseline/baseline.h"
#include "xml/compare/compare.h"
#include "xml/find/find.h"

#define HOSTS 10000
#define ROUNDS 5
#define QUERIES 9
#define COMPARISONS 200000

static void
check(gboolean ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench-models: %s: %s\n", what, g_strerror(errno));
    exit(3);
}

/* Of the processor, in microseconds. */
static gint64
processor_time(void)
{
    struct timespec now;

    check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0, "clock");
    return now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static double
milliseconds_since(gint64 start)
{
    return (double)(processor_time() - start) / 1000;
}

/* "VmHWM:", "VmRSS:", in KiB. */
static double
memory(const char *name)
{
    g_autofree char *status = NULL;
    const char *line;

    check(g_file_get_contents("/proc/self/status", &status, NULL, NULL), "/proc/self/status");
    line = strstr(status, name);
    check(line != NULL, name);
    return g_ascii_strtod(line + strlen(name) + strspn(line + strlen(name), " \t"), NULL);
}

static int
compare_doubles(gconstpointer a, gconstpointer b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static double
median(double *values, guint n)
{
    qsort(values, n, sizeof *values, compare_doubles);
    return values[n / 2];
}

/* --- the processes that are measured; each prints names and numbers for the one that prints
 * figures */

static VfOffers *
look_for(const VfFleet *fleet, double *ms)
{
    g_autoptr(VfRequirement) requirement = fleet_maker_requirement();
    g_autoptr(VfConsumer) consumer = vf_consumer_parse("qemu=10.0", NULL);
    const VfFindQuery query = {requirement, consumer, 1, VF_FIND_LIMIT_DEFAULT, FALSE};
    gint64 start = processor_time();
    VfOffers *offers = vf_find_in_fleet(&query, fleet);

    *ms = milliseconds_since(start);
    return offers;
}

static int
run_find(char **files)
{
    g_autoptr(VfRequirement) requirement = fleet_maker_requirement();
    g_autoptr(VfConsumer) consumer = vf_consumer_parse("qemu=10.0", NULL);
    const VfFindQuery query = {requirement, consumer, 1, VF_FIND_LIMIT_DEFAULT, FALSE};
    g_autoptr(VfFinder) finder = vf_finder_new(&query);
    g_autoptr(VfOffers) offers = NULL;

    for (guint i = 0; files[i] != NULL; i++)
        check(vf_finder_add_file(finder, files[i], NULL), files[i]);
    offers = vf_finder_finish(finder);
    printf("fitting %" G_GUINT64_FORMAT "\nfitting-hosts %" G_GUINT64_FORMAT "\nrefusals %u\n"
           "offers %u\npeak-kib %g\n",
           offers->fitting, offers->fitting_hosts, offers->refusals->len, offers->offers->len,
           memory("VmHWM:"));
    return 0;
}

/* Of the model that half of the hosts have; the others have to be named, which is the most work. */
static void
look_for_baseline(const VfFleet *fleet)
{
    double times[QUERIES];

    for (guint i = 0; i < QUERIES; i++) {
        gint64 start = processor_time();
        g_autoptr(VfBaseline) baseline =
            vf_baseline_of_fleet(fleet, "example.com/accelerator/series-4", NULL);
        times[i] = milliseconds_since(start);
        check(baseline != NULL && baseline->exact, "baseline");
        if (i == 0)
            printf("baseline-fitting %" G_GUINT64_FORMAT "\nbaseline-conflicts %u\n",
                   baseline->fitting, baseline->conflicts->len);
    }
    printf("baseline-ms %g\n", median(times, QUERIES));
}

static int
run_index(char **files)
{
    g_autoptr(VfFleet) fleet = vf_fleet_new();
    double before = memory("VmRSS:");
    gint64 start = processor_time();
    double times[QUERIES];

    for (guint i = 0; files[i] != NULL; i++)
        check(vf_fleet_add_file(fleet, files[i], NULL), files[i]);
    printf("build-ms %g\nclasses %u\noffers %u\nbytes %g\n", milliseconds_since(start),
           fleet->classes->len, fleet->offers->len, (memory("VmRSS:") - before) * 1024);
    for (guint i = 0; i < QUERIES; i++) {
        g_autoptr(VfOffers) offers = look_for(fleet, &times[i]);
        if (i == 0)
            printf("fitting %" G_GUINT64_FORMAT "\nfirst-ms %g\n", offers->fitting, times[0]);
    }
    printf("second-ms %g\n", median(times + 1, QUERIES - 1));
    look_for_baseline(fleet);
    return 0;
}

static int
run_compare(char **files)
{
    g_autoptr(VfRequirement) requirement = fleet_maker_requirement();
    g_autoptr(VfFleet) fleet = vf_fleet_new();
    const VfFleetClass *class = NULL;
    gint64 start;

    for (guint i = 0; files[i] != NULL && class == NULL; i++) {
        check(vf_fleet_add_file(fleet, files[i], NULL), files[i]);
        for (guint j = 0; j < fleet->classes->len && class == NULL; j++) {
            const VfFleetClass *other = vf_fleet_class(fleet, j);
            if (vf_compare_verdict(requirement, other->model, other->shape->values,
                                   other->shape->settable) != VF_VERDICT_INCOMPATIBLE)
                class = other;
        }
    }
    check(class != NULL, "nothing fits");
    start = processor_time();
    for (guint i = 0; i < COMPARISONS; i++) {
        g_autoptr(VfReport) report = vf_compare_requirement(
            requirement, class->model, class->shape->values, class->shape->settable);
        check(report->verdict != VF_VERDICT_INCOMPATIBLE, "verdict");
    }
    printf("report-us %g\n", milliseconds_since(start) * 1000 / COMPARISONS);
    start = processor_time();
    for (guint i = 0; i < COMPARISONS; i++)
        check(vf_compare_verdict(requirement, class->model, class->shape->values,
                                 class->shape->settable) != VF_VERDICT_INCOMPATIBLE,
              "verdict");
    printf("verdict-us %g\nparameters %u\n", milliseconds_since(start) * 1000 / COMPARISONS,
           class->model->parameters->len);
    return 0;
}

/* --- running them */

typedef struct {
    double cpu_ms;
    char *output;
} Run;

static double
cpu_ms(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000 +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1000;
}

static Run
run(const char *const *command, GPtrArray *files)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autofree char *path = NULL;
    posix_spawn_file_actions_t actions;
    struct rusage usage;
    Run result = {0};
    int fd = g_file_open_tmp("vferry-bench-XXXXXX", &path, NULL);
    int status;
    pid_t pid;

    check(fd >= 0, "output");
    for (guint i = 0; command[i] != NULL; i++)
        g_ptr_array_add(argv, (char *)command[i]);
    for (guint i = 0; i < files->len; i++)
        g_ptr_array_add(argv, files->pdata[i]);
    g_ptr_array_add(argv, NULL);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
    errno = posix_spawnp(&pid, command[0], &actions, NULL, (char **)argv->pdata, environ);
    check(errno == 0, command[0]);
    posix_spawn_file_actions_destroy(&actions);
    check(wait4(pid, &status, 0, &usage) == pid, "wait");
    check(status == 0, command[0]);
    result.cpu_ms = cpu_ms(&usage);
    check(g_file_get_contents(path, &result.output, NULL, NULL), path);
    close(fd);
    g_unlink(path);
    return result;
}

static double
number(const Run *result, const char *name)
{
    g_auto(GStrv) lines = g_strsplit(result->output, "\n", -1);

    for (guint i = 0; lines[i] != NULL; i++)
        if (g_str_has_prefix(lines[i], name) && lines[i][strlen(name)] == ' ')
            return g_ascii_strtod(lines[i] + strlen(name) + 1, NULL);
    fprintf(stderr, "bench-models: no %s in: %s\n", name, result->output);
    exit(3);
}

static void
stay_on_one_core(void)
{
    cpu_set_t allowed, one;

    check(sched_getaffinity(0, sizeof allowed, &allowed) == 0, "affinity");
    CPU_ZERO(&one);
    for (int i = CPU_SETSIZE - 1; i >= 0 && CPU_COUNT(&one) == 0; i--)
        if (CPU_ISSET(i, &allowed))
            CPU_SET(i, &one);
    check(sched_setaffinity(0, sizeof one, &one) == 0, "affinity");
}

static void
figure(const char *name, double value, const char *unit, double target)
{
    printf("{\"figure\": \"%s\", \"value\": %g, \"unit\": \"%s\"", name, value, unit);
    if (target > 0)
        printf(", \"target\": %g, \"better\": \"lower\"", target);
    printf("}\n");
    fflush(stdout);
}

static void
bench_find(const char *self, GPtrArray *files)
{
    const char *const ours[] = {self, "find", NULL};
    const char *const rival[] = {"xmllint", "--stream", "--noout", NULL};
    double our_times[ROUNDS], rival_times[ROUNDS], ratios[ROUNDS];
    double peak = 0;

    for (guint i = 0; i < ROUNDS; i++) {
        Run b = run(rival, files);
        Run a = run(ours, files);
        our_times[i] = a.cpu_ms;
        rival_times[i] = b.cpu_ms;
        ratios[i] = a.cpu_ms / b.cpu_ms;
        peak = MAX(peak, number(&a, "peak-kib") / 1024);
        if (i == 0)
            fprintf(stderr, "find: %g offers of %g hosts fit, %g hosts refused\n",
                    number(&a, "fitting"), number(&a, "fitting-hosts"), number(&a, "refusals"));
        g_free(a.output);
        g_free(b.output);
    }
    printf("{\"figure\": \"find\", \"value\": %.3g, \"unit\": \"ratio\", \"target\": 1.5, "
           "\"better\": \"lower\", \"measured\": {\"value\": %.4g, \"unit\": \"ms\"}, \"against\": "
           "{\"what\": \"xmllint --stream --noout\", \"value\": %.4g, \"unit\": \"ms\"}}\n",
           median(ratios, ROUNDS), median(our_times, ROUNDS), median(rival_times, ROUNDS));
    figure("find-memory", peak, "MiB", 64);
}

static void
bench_index(const char *self, GPtrArray *files)
{
    const char *const command[] = {self, "index", NULL};
    Run result = run(command, files);

    fprintf(stderr, "index: built in %g ms, %g offers in %g classes; first query %g ms\n",
            number(&result, "build-ms"), number(&result, "offers"), number(&result, "classes"),
            number(&result, "first-ms"));
    figure("index-memory", number(&result, "bytes") / number(&result, "offers"), "bytes an offer",
           256);
    figure("index-query", number(&result, "second-ms"), "ms", 50);
    fprintf(stderr, "baseline: %g hosts have one in common, %g reasons of the others\n",
            number(&result, "baseline-fitting"), number(&result, "baseline-conflicts"));
    figure("index-baseline", number(&result, "baseline-ms"), "ms", 50);
    g_free(result.output);
}

static void
bench_compare(const char *self, GPtrArray *files)
{
    const char *const command[] = {self, "compare", NULL};
    Run result = run(command, files);

    fprintf(stderr, "compare: %g parameters\n", number(&result, "parameters"));
    figure("compare", number(&result, "report-us"), "us", 5);
    figure("compare-verdict", number(&result, "verdict-us"), "us", 0);
    g_free(result.output);
}

static void
describe_files(GPtrArray *files)
{
    guint64 total = 0;

    for (guint i = 0; i < files->len; i++) {
        GStatBuf info;
        check(g_stat(files->pdata[i], &info) == 0, files->pdata[i]);
        total += (guint64)info.st_size;
    }
    figure("document-size", (double)total / files->len, "bytes", 0);
    fprintf(stderr, "%u documents of %u offers, %.1f MiB together\n", files->len, FLEET_OFFERS,
            (double)total / (1024 * 1024));
}

static void
remove_files(const char *dir, GPtrArray *files)
{
    for (guint i = 0; i < files->len; i++)
        g_unlink(files->pdata[i]);
    g_rmdir(dir);
}

int
main(int argc, char **argv)
{
    g_autofree char *dir = NULL;
    g_autofree char *self = NULL;
    g_autoptr(GPtrArray) files = NULL;

    if (argc > 2)
        return g_str_equal(argv[1], "find")    ? run_find(argv + 2)
               : g_str_equal(argv[1], "index") ? run_index(argv + 2)
                                               : run_compare(argv + 2);
    self = g_file_read_link("/proc/self/exe", NULL);
    dir = g_dir_make_tmp("vferry-bench-XXXXXX", NULL);
    check(self != NULL && dir != NULL, "start");
    stay_on_one_core();
    files = fleet_maker_write(dir, HOSTS);
    describe_files(files);
    bench_find(self, files);
    bench_index(self, files);
    bench_compare(self, files);
    remove_files(dir, files);
    return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "test-compare.h"
#include "xml/model/model-make.h"

/* The questions of the thread "VFIO Migration" of November 2020 on qemu-devel, which this language
 * is an answer to, and of the document's later revisions. Each row names the message that it
 * answers by its author and time (UTC), or, where it is known, its Message-Id. The thread knows OK
 * and FAIL; identical and superset are the one, incompatible is the other, and unknown is what it
 * had no word for. */

#define REVISION_1 "Stefan Hajnoczi, 2020-11-02 11:11"
#define TRUTH_TABLE "Stefan Hajnoczi, 2020-11-03 11:03"
#define REVISION_3 "Stefan Hajnoczi, <20201110095349.GA1082456@stefanha-x1.localdomain>"
#define REVISION_4 "Stefan Hajnoczi, <YS5mFbe62iH+80GI@stefanha-x1.localdomain>"

/* A device of the model @from with the values @has, and a host that knows the model as @to. */
typedef struct {
    const char *message;
    const char *from, *has;
    const char *to, *known, *settable;
    const char *expected;
} Row;

static void
assert_row(const Row *row, gsize i, const char *id)
{
    g_autoptr(VfModel) from = model_of(id, row->from);
    g_autoptr(VfModel) to = model_of(id, row->to);
    g_autoptr(GPtrArray) has = values_of(row->has);
    g_autoptr(VfRequirement) requirement = vf_requirement_new_for_device(from, has);
    g_autofree char *name =
        g_strdup_printf("row %" G_GSIZE_FORMAT " (%s): %s", i, row->message, row->has);

    assert_answer(name, requirement, to, row->known, row->settable, row->expected);
}

#define ASSERT_ROWS(id, rows)                                                                      \
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)                                                 \
    assert_row(&(rows)[i], i, id)

/* Two hosts that describe a model differently always say so; these rows are about the rest. */
#define TOLD ": schema digest-differs"

#define NOTHING "<match/>"
#define RSS "<match/><parameter name='rss' type='bool' compare='equal' off='no'/>"
#define RSS_NEVER                                                                                  \
    "<match/><parameter name='rss' type='bool' compare='equal' off='no'>"                          \
    "<allowed><value>no</value></allowed></parameter>"

static void
test_rss(void)
{
    static const Row rows[] = {
        /* "rss=off no OK", "rss=off yes OK. rss=on is supported but we don't need it", "rss=on no
         * FAIL. rss=on is not supported on destination!", "rss=on yes OK" */
        {TRUTH_TABLE, RSS, "rss=no", NOTHING, "", NULL, "identical" TOLD},
        {TRUTH_TABLE, RSS, "rss=no", RSS, "", "rss", "identical: rss off"},
        {TRUTH_TABLE, RSS, "rss=yes", NOTHING, "", NULL,
         "incompatible" TOLD ", rss parameter-unknown"},
        {TRUTH_TABLE, RSS, "rss=yes", RSS, "", "rss", "identical: rss can-be-set"},
        /* the parameter is known, and this host cannot do it */
        {TRUTH_TABLE, RSS, "rss=yes", RSS_NEVER, "", "rss",
         "incompatible" TOLD ", rss value-not-allowed"},
        /* a source from before there was rss */
        {REVISION_1, NOTHING, "", RSS, "", "rss", "identical" TOLD ", rss off"},
        /* "It is not safe to migrate!": a device that exists and has it, until it is switched off
         */
        {TRUTH_TABLE, NOTHING, "", RSS, "rss=yes", NULL, "incompatible" TOLD ", rss value-differs"},
        {TRUTH_TABLE, NOTHING, "", RSS, "rss=no", NULL, "identical" TOLD ", rss off"},
        {TRUTH_TABLE, NOTHING, "", RSS, "rss=yes", "rss", "identical" TOLD ", rss off"},
        /* "a conservative bound": whether the guest's driver uses it is not asked */
        {REVISION_1, RSS, "rss=yes", NOTHING, "", NULL,
         "incompatible" TOLD ", rss parameter-unknown"},
    };

    ASSERT_ROWS("vendor-a.com/my-nic", rows);
}

#define CAPS                                                                                       \
    "<match/><parameter name='cap-x' type='bool' compare='equal' off='no'/>"                       \
    "<parameter name='cap-y' type='bool' compare='equal' off='no'/>"
#define CAPS_FIXED                                                                                 \
    "<match/><parameter name='cap-x' type='bool' compare='equal'/>"                                \
    "<parameter name='cap-y' type='bool' compare='equal'/>"
#define CAPS_SET "<match/><parameter name='caps' type='set' compare='superset'/>"

/* Jason Wang: "src has CAP_X=on,CAP_Y=off but dst has CAP_X=on,CAP_Y=on, so we disallow the
 * migration from src to dst". */
static void
test_capabilities(void)
{
    static const char wang[] = "Jason Wang, 2020-11-03 08:46";
    const Row rows[] = {
        {wang, CAPS, "cap-x=yes; cap-y=no", CAPS, "cap-x=yes; cap-y=yes", NULL,
         "incompatible: cap-x matches, cap-y value-differs"},
        {wang, CAPS, "cap-x=yes; cap-y=no", CAPS, "cap-x=yes; cap-y=yes", "cap-x cap-y",
         "identical: cap-x can-be-set, cap-y off"},
        /* a host whose descriptor says of no value that it means "not there": it cannot be known */
        {wang, CAPS, "cap-x=yes; cap-y=no", CAPS_FIXED, "cap-x=yes; cap-y=yes", NULL,
         "unknown" TOLD ", cap-x matches, cap-y parameter-missing"},
        /* where more does no harm, the author of the descriptor says so */
        {wang, CAPS_SET, "caps=x", CAPS_SET, "caps=x y", NULL, "superset: caps fits"},
        {wang, CAPS_SET, "caps=x y", CAPS_SET, "caps=x", NULL, "incompatible: caps value-differs"},
    };

    ASSERT_ROWS("vendor-a.com/my-nic", rows);
}

#define FILTER(allowed)                                                                            \
    "<match/><parameter name='rx-filter-size' type='int' compare='equal' off='0'>"                 \
    "<allowed>" allowed "</allowed></parameter>"
#define VALUES_16                                                                                  \
    "<value>0</value><value>16</value><value>32</value><value>48</value><value>64</value>"         \
    "<value>128</value>"
#define SOURCE FILTER(VALUES_16)
#define UP_TO_32 FILTER("<value>0</value><value>32</value>")
#define UP_TO_64 FILTER("<value>0</value><value>32</value><value>64</value>")
#define ANY_TO_128 FILTER("<range min='0' max='128' step='1'/>")
#define ANY "<match/><parameter name='rx-filter-size' type='int' compare='equal' off='0'/>"
#define SIZE "rx-filter-size"

static void
test_rx_filter_size(void)
{
    static const char wang[] = "Jason Wang, 2020-11-03 08:46";
    static const char wang_again[] = "Jason Wang, 2020-11-04 03:32";
    static const char gilbert[] = "Dr. David Alan Gilbert, 2020-11-03 12:17";
    static const char custom[] = "Stefan Hajnoczi, 2020-11-03 15:05";
    static const char empty[] = "Stefan Hajnoczi, 2020-11-04 07:36";
    const Row rows[] = {
        /* "saved with rx-filter-size=32 cannot be safely loaded into a device with
         * rx-filter-size=0" */
        {REVISION_1, SOURCE, SIZE "=32", SOURCE, SIZE "=0", NULL,
         "incompatible: " SIZE " value-differs"},
        {gilbert, SOURCE, SIZE "=32", NOTHING, "", NULL,
         "incompatible" TOLD ", " SIZE " parameter-unknown"},
        {REVISION_1, SOURCE, SIZE "=32", UP_TO_32, "", SIZE,
         "identical" TOLD ", " SIZE " can-be-set"},
        /* "Do we allow the migration from rx-filter-size=16 to rx-filter-size=32 (I guess not?)" */
        {wang, SOURCE, SIZE "=16", SOURCE, SIZE "=32", NULL,
         "incompatible: " SIZE " value-differs"},
        {wang, SOURCE, SIZE "=16", UP_TO_32, "", SIZE,
         "incompatible" TOLD ", " SIZE " value-not-allowed"},
        /* "it looks to me we can't migrate back": from old to new as 16, and back as 16 */
        {wang_again, SOURCE, SIZE "=16", ANY_TO_128, "", SIZE,
         "identical" TOLD ", " SIZE " can-be-set"},
        {wang_again, ANY_TO_128, SIZE "=16", SOURCE, "", SIZE,
         "identical" TOLD ", " SIZE " can-be-set"},
        /* "a newer version of the card might allow rx-filter-size to go upto 128" */
        {gilbert, ANY_TO_128, SIZE "=128", UP_TO_64, "", SIZE,
         "incompatible" TOLD ", " SIZE " value-not-allowed"},
        {gilbert, UP_TO_64, SIZE "=64", ANY_TO_128, "", SIZE,
         "identical" TOLD ", " SIZE " can-be-set"},
        /* "the user can set a custom value like rx-table-size=48" */
        {custom, SOURCE, SIZE "=48", UP_TO_64, "", SIZE,
         "incompatible" TOLD ", " SIZE " value-not-allowed"},
        {custom, SOURCE, SIZE "=48", ANY_TO_128, "", SIZE,
         "identical" TOLD ", " SIZE " can-be-set"},
        /* "It must to be empty, otherwise an older device implementation that only supports
         * version=1 cannot instantiate the device." */
        {empty, SOURCE, SIZE "=0", NOTHING, "", NULL, "identical" TOLD},
        /* without a list of what is allowed, any value of the type is */
        {REVISION_3, SOURCE, SIZE "=32", ANY, "", SIZE, "identical" TOLD ", " SIZE " can-be-set"},
    };

    ASSERT_ROWS("vendor-a.com/my-nic", rows);
}

#define VERSIONED                                                                                  \
    "<match/><parameter name='rx-filter-size' type='int' compare='equal' off='0'>"                 \
    "<allowed>" VALUES_16 "</allowed></parameter>"                                                 \
    "<versions><version name='1'/>"                                                                \
    "<version name='2'><value parameter='rx-filter-size'>32</value></version></versions>"

/* The answer of @to to a device that was made as @version of @from, with what @besides sets. */
static void
assert_version(const char *message, const char *from_content, const char *version,
               const char *besides, const char *to_content, const char *expected)
{
    g_autoptr(VfModel) from = model_of("vendor-a.com/my-nic", from_content);
    g_autoptr(VfModel) to = model_of("vendor-a.com/my-nic", to_content);
    g_autoptr(VfRequirement) requirement = vf_requirement_new_for_version(from, version, NULL);

    set_values(requirement->values, besides);
    g_clear_pointer(&requirement->digest, g_free);
    assert_answer(message, requirement, to, "", SIZE, expected);
}

/* "version=1 - Behaves as if rx-filter-size=0", "version=2 - rx-filter-size=32". */
static void
test_version_aliases(void)
{
    static const char not_involved[] = "Stefan Hajnoczi, 2020-11-03 12:15";
    static const char syntax[] = REVISION_1;

    assert_version(syntax, VERSIONED, "1", "", VERSIONED, "identical: " SIZE " off");
    assert_version(syntax, VERSIONED, "1", "", NOTHING, "identical");
    assert_version(syntax, VERSIONED, "2", "", VERSIONED, "identical: " SIZE " can-be-set");
    assert_version(syntax, VERSIONED, "2", "", NOTHING, "incompatible: " SIZE " parameter-unknown");
    /* "version=2,rx-filter-size=64": the alias, and one value of its own */
    assert_version(syntax, VERSIONED, "2", SIZE "=64", UP_TO_64, "identical: " SIZE " can-be-set");
    assert_version(syntax, VERSIONED, "2", SIZE "=64", UP_TO_32,
                   "incompatible: " SIZE " value-not-allowed");
    /* "Versions are not involved in migration compatibility checking": a host without that name */
    assert_version(not_involved, VERSIONED, "2", "", UP_TO_32, "identical: " SIZE " can-be-set");
}

/* "if version=1 is no longer supported in the latest device implementation": whoever asks a host
 * for a version by its name gets what that host means by it, or no. */
static void
test_version_by_name(void)
{
    static const struct {
        const char *message, *version, *to, *expected;
    } cases[] = {
        {TRUTH_TABLE, "1", VERSIONED, "identical: version matches, " SIZE " off"},
        {TRUTH_TABLE, "2", VERSIONED, "identical: version matches, " SIZE " can-be-set"},
        {TRUTH_TABLE, "1", "<match/><versions><version name='2'/></versions>",
         "incompatible: version version-unknown"},
        {TRUTH_TABLE, "1", NOTHING, "incompatible: version version-unknown"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *id = g_strconcat("vendor-a.com/my-nic@", cases[i].version, NULL);
        g_autoptr(VfModel) to = model_of("vendor-a.com/my-nic", cases[i].to);
        g_autoptr(VfRequirement) requirement = requirement_from(id, "");
        assert_answer(cases[i].message, requirement, to, "", SIZE, cases[i].expected);
    }
}

/* "e.g. https://vendor-a.com/rtl8139 and https://vendor-b.com/rtl8139": a name is its owner's. */
static void
test_models(void)
{
    g_autoptr(VfModel) to = model_of("vendor-b.com/rtl8139", NOTHING);
    g_autoptr(VfRequirement) requirement = requirement_from("vendor-a.com/rtl8139", "");
    g_autoptr(VfReport) report = NULL;
    g_autoptr(GPtrArray) nothing = values_of("");
    g_autofree char *unknown = NULL;

    assert_answer(TRUTH_TABLE, requirement, to, "", NULL, "incompatible: model model-differs");
    report = compare(requirement, NULL, nothing, NULL);
    unknown = summarize(report);
    g_assert_cmpstr(unknown, ==, "incompatible: model model-unknown");
}

#define GPU_FIXED                                                                                  \
    "<match/><parameter name='memory' type='int' compare='equal' unit='MiB'>"                      \
    "<allowed><value>4096</value><value>8192</value></allowed><read><type-name>"                   \
    "<map type='gfx-4GB' value='4096'/><map type='gfx-8GB' value='8192'/>"                         \
    "</type-name></read></parameter>"

/* Revision 3: "gfx-4GB and gfx-8GB mdev types with memory=4096 and memory=8192 migration
 * parameters, respectively". */
static void
test_graphics_parameters(void)
{
    static const char huck[] = "Cornelia Huck, <20201111124853.5a7fa359.cohuck@redhat.com>";
    static const struct {
        const char *message, *wanted, *type, *settable, *expected;
    } cases[] = {
        {REVISION_3, "memory=4096", "gfx-4GB", NULL, "identical: memory matches"},
        {REVISION_3, "memory=4096", "gfx-8GB", NULL, "incompatible: memory value-differs"},
        {REVISION_3, "memory=8192", "gfx-4GB", NULL, "incompatible: memory value-differs"},
        {REVISION_3, "memory=8192", "gfx-8GB", NULL, "identical: memory matches"},
        /* "Allowing gfx-4GB to have memory=8192 feels wrong to me.": then it is not settable; where
         * a driver lets it be set, it is */
        {huck, "memory=8192", "gfx-4GB", "memory", "identical: memory can-be-set"},
        {huck, "memory=2048", "gfx-4GB", "memory", "incompatible: memory value-not-allowed"},
        {huck, "memory=4096", "gfx-2GB", NULL, "unknown: memory value-unread"},
    };
    g_autoptr(VfModel) model = model_of("com.gfx/gpu", GPU_FIXED);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VfRequirement) requirement = requirement_from("com.gfx/gpu", cases[i].wanted);
        g_autoptr(GPtrArray) known = vf_model_values_from_type(model, cases[i].type);
        g_autofree char *text = text_of(known);
        assert_answer(cases[i].message, requirement, model, text, cases[i].settable,
                      cases[i].expected);
    }
}

#define VERSIONS_OF(values, versions)                                                              \
    "<match/><parameter name='version' type='enum' compare='equal'><allowed>" values               \
    "</allowed></parameter><versions parameter='version'>" versions "</versions>"
#define GFX_4GB                                                                                    \
    VERSIONS_OF("<value>4GB-v1</value><value>4GB-v2</value>",                                      \
                "<version name='4GB-v1'/><version name='4GB-v2'/>")
#define GFX_4GB_OLD VERSIONS_OF("<value>4GB-v1</value>", "<version name='4GB-v1'/>")
#define GFX_8GB                                                                                    \
    VERSIONS_OF("<value>8GB-v1</value><value>8GB-v2</value>",                                      \
                "<version name='8GB-v1'/><version name='8GB-v2'/>")
#define GFX_LOADS                                                                                  \
    VERSIONS_OF(                                                                                   \
        "<value>4GB-v1</value><value>4GB-v2</value>",                                              \
        "<version name='4GB-v1'/><version name='4GB-v2'><loads version='4GB-v1'/></version>")
#define QUEUES                                                                                     \
    VERSIONS_OF("<value>q1-v1</value><value>q1-v2</value><value>q64-v1</value>",                   \
                "<version name='q1-v1'/><version name='q1-v2'/><version name='q64-v1'/>")

/* Revision 4: "Migration is only possible between two devices that have the same version string." A
 * type's own list is what its devices can be given. */
static void
test_graphics_versions(void)
{
    static const struct {
        const char *wanted, *to, *known, *settable, *expected;
    } cases[] = {
        {"4GB-v1", GFX_4GB, "", "version", "identical: version can-be-set"},
        {"4GB-v2", GFX_4GB, "", "version", "identical: version can-be-set"},
        {"4GB-v1", GFX_4GB_OLD, "", "version", "identical: version can-be-set"},
        {"4GB-v2", GFX_4GB_OLD, "", "version", "incompatible: version value-not-allowed"},
        {"4GB-v1", GFX_8GB, "", "version", "incompatible: version value-not-allowed"},
        {"8GB-v2", GFX_8GB, "", "version", "identical: version can-be-set"},
        {"4GB-v1", GFX_4GB, "version=4GB-v1", NULL, "identical: version matches"},
        {"4GB-v1", GFX_4GB, "version=4GB-v2", NULL, "incompatible: version value-differs"},
        /* the names have an order for people, and none for a comparison; what one loads is said */
        {"4GB-v1", GFX_LOADS, "version=4GB-v2", NULL, "superset: version fits"},
        {"4GB-v2", GFX_LOADS, "version=4GB-v1", NULL, "incompatible: version value-differs"},
        {"q1-v1", QUEUES, "", "version", "identical: version can-be-set"},
        {"q64-v2", QUEUES, "", "version", "incompatible: version value-not-allowed"},
        {"q1-v2", QUEUES, "version=q64-v1", NULL, "incompatible: version value-differs"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *wanted = g_strconcat("version=", cases[i].wanted, NULL);
        g_autofree char *row = g_strdup_printf("%s: %s", REVISION_4, cases[i].wanted);
        g_autoptr(VfModel) model = model_of("org.project/graphics-card", cases[i].to);
        g_autoptr(VfRequirement) requirement =
            requirement_from("org.project/graphics-card", wanted);
        g_autoptr(VfRequirement) fork = requirement_from("other.org/graphics-card", wanted);
        assert_answer(row, requirement, model, cases[i].known, cases[i].settable,
                      cases[i].expected);
        assert_answer(row, fork, model, cases[i].known, cases[i].settable,
                      "incompatible: model model-differs");
    }
}

#define WILLIAMSON "Alex Williamson, <20201116103015.5dc20ab2@w520.home>"
#define GPU_VAR                                                                                    \
    "<alias id='com.gfx/gpu-4g'/><match/>"                                                         \
    "<parameter name='memory' type='size' compare='equal' unit='bytes' off='4294967296'>"          \
    "<allowed><value>1073741824</value><value>2147483648</value><value>4294967296</value>"         \
    "<value>8589934592</value></allowed></parameter>"
#define GPU_4G "<alias id='com.gfx/gpu'/><match/>"

/* "gfx-4GB might be a device model com.gfx/GPU with a fixed memory parameter of 4GB or it could be
 * a device model com.gfx/GPU-4G with no additional parameter. The hard part is when the vendor
 * offers an mdev type gfx-varGB [...] either would be correct and we've expressed no preference".
 *
 * The language lets both be right, and find() orders them. Where the vendor chose one model with a
 * parameter, a type that fixes it and one that leaves it open differ in what is settable alone.
 * Where he chose two models, each says with <alias> that it is the other by another name, and the
 * one with the parameter says with `off` which memory a card has whose model does not speak of
 * memory. */
static void
test_graphics_variable(void)
{
    static const struct {
        const char *from, *id, *has, *to, *to_id, *known, *settable, *expected;
    } cases[] = {
        /* one model */
        {GPU_VAR, "com.gfx/gpu", "memory=4294967296", GPU_VAR, "com.gfx/gpu", "", "memory",
         "identical: memory off"},
        {GPU_VAR, "com.gfx/gpu", "memory=4294967296", GPU_VAR, "com.gfx/gpu", "memory=4294967296",
         NULL, "identical: memory off"},
        {GPU_VAR, "com.gfx/gpu", "memory=8589934592", GPU_VAR, "com.gfx/gpu", "", "memory",
         "identical: memory can-be-set"},
        {GPU_VAR, "com.gfx/gpu", "memory=8589934592", GPU_VAR, "com.gfx/gpu", "memory=4294967296",
         NULL, "incompatible: memory value-differs"},
        {GPU_VAR, "com.gfx/gpu", "memory=2147483648", GPU_VAR, "com.gfx/gpu", "memory=4294967296",
         NULL, "incompatible: memory value-differs"},
        /* two models: from the fixed one to the variable one, which is given 4 GB */
        {GPU_4G, "com.gfx/gpu-4g", "", GPU_VAR, "com.gfx/gpu", "", "memory",
         "identical" TOLD ", memory off"},
        {GPU_4G, "com.gfx/gpu-4g", "", GPU_VAR, "com.gfx/gpu", "memory=8589934592", NULL,
         "incompatible" TOLD ", memory value-differs"},
        /* and back: 4 GB is not said, anything else is, and is not known there */
        {GPU_VAR, "com.gfx/gpu", "memory=4294967296", GPU_4G, "com.gfx/gpu-4g", "", NULL,
         "identical" TOLD},
        {GPU_VAR, "com.gfx/gpu", "memory=8589934592", GPU_4G, "com.gfx/gpu-4g", "", NULL,
         "incompatible" TOLD ", memory parameter-unknown"},
        /* without the alias the two have nothing in common */
        {"<match/>", "com.gfx/gpu-8g", "", GPU_VAR, "com.gfx/gpu", "", "memory",
         "incompatible: model model-differs"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VfModel) from = model_of(cases[i].id, cases[i].from);
        g_autoptr(VfModel) to = model_of(cases[i].to_id, cases[i].to);
        g_autoptr(GPtrArray) has = values_of(cases[i].has);
        g_autoptr(VfRequirement) requirement = vf_requirement_new_for_device(from, has);
        g_autofree char *row = g_strdup_printf(WILLIAMSON ", row %" G_GSIZE_FORMAT, i);
        assert_answer(row, requirement, to, cases[i].known, cases[i].settable, cases[i].expected);
    }
}

/* The same with a model that takes the other's place and narrows it: one description of the card,
 * and the type that has 4 GB and nothing else. */
static void
test_graphics_extends(void)
{
    g_autoptr(VfModel) base = model_of("com.gfx/gpu", GPU_VAR);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfModel) own = vf_model_parse(
        "<model xmlns='https://vferry.org/ns/model/1' id='com.gfx/gpu-4g' extends='com.gfx/gpu'>"
        "<alias id='com.gfx/gpu'/><match/>"
        "<parameter name='memory' type='size' compare='equal' unit='bytes' off='4294967296'>"
        "<allowed><value>4294967296</value></allowed></parameter></model>",
        -1, "gpu-4g.xml", &error);
    g_autoptr(VfModel) narrow = NULL;
    g_autoptr(VfRequirement) four = requirement_from("com.gfx/gpu", "memory=4294967296");
    g_autoptr(VfRequirement) eight = requirement_from("com.gfx/gpu", "memory=8589934592");

    g_assert_no_error(error);
    narrow = vf_model_extend(own, base, &error);
    g_assert_no_error(error);
    assert_answer(WILLIAMSON, four, narrow, "", "memory", "identical: memory can-be-set");
    assert_answer(WILLIAMSON, eight, narrow, "", "memory",
                  "incompatible: memory value-not-allowed");
}

#define NEW_FEATURE                                                                                \
    "<match/><parameter name='new-feature' type='bool' compare='equal' init='yes' off='no'/>"
#define NEW_FEATURE_ALWAYS                                                                         \
    "<match/><parameter name='new-feature' type='bool' compare='equal' init='yes'>"                \
    "<allowed><value>yes</value></allowed></parameter>"

/* A newer host must look old: "I can read the config off one of the other machines; can I just use
 * that even if my new machine has a later device implementation?" */
static void
test_newer_looks_old(void)
{
    static const char gilbert[] = "Dr. David Alan Gilbert, 2020-11-05 12:13";
    static const char latest[] = "Dr. David Alan Gilbert, 2020-11-05 14:17";
    const Row rows[] = {
        {gilbert, NOTHING, "", NEW_FEATURE, "", "new-feature",
         "identical" TOLD ", new-feature off"},
        /* "do I get the latest, greatest config from the device implementation I have?": yes, and
         * it cannot go to the old ones */
        {latest, NEW_FEATURE, "new-feature=yes", NOTHING, "", NULL,
         "incompatible" TOLD ", new-feature parameter-unknown"},
        /* made on the new host with the old one's values */
        {gilbert, NEW_FEATURE, "new-feature=no", NOTHING, "", NULL, "identical" TOLD},
        /* a host that cannot look old: it does not say with which value it would */
        {gilbert, NOTHING, "", NEW_FEATURE_ALWAYS, "", "new-feature",
         "unknown" TOLD ", new-feature parameter-missing"},
        {gilbert, NOTHING, "", NEW_FEATURE, "new-feature=yes", NULL,
         "incompatible" TOLD ", new-feature value-differs"},
    };
    g_autoptr(VfModel) model = model_of("vendor-a.com/my-nic", NEW_FEATURE);
    g_autoptr(VfRequirement) old = requirement_from("vendor-a.com/my-nic", "");
    static const char *const settable[] = {"new-feature", NULL};
    g_autoptr(GPtrArray) nothing = values_of("");
    g_autoptr(GPtrArray) given =
        vf_compare_values_to_give(old, model, nothing, (char *const *)settable);
    g_autofree char *text = text_of(given);

    ASSERT_ROWS("vendor-a.com/my-nic", rows);
    /* not what a new device has from the start, but what makes it look old */
    g_assert_cmpstr(text, ==, "new-feature=no; ");
}

/* "they break rollback": what went to a newer host looks there as it did, and so goes back; what
 * was made there as the newest does not. */
static void
test_rollback(void)
{
    static const char subsections[] = "Stefan Hajnoczi, 2020-11-03 12:15";
    static const char format[] =
        "<match/><parameter name='format' type='enum' compare='equal'><allowed><value>1</value>"
        "<value>2</value></allowed><read><attribute path='migration/format'/></read><apply>"
        "<attribute path='migration/format' while-open='yes'/></apply></parameter>";
    static const char old_format[] =
        "<match/><parameter name='format' type='enum' compare='equal'><allowed><value>1</value>"
        "</allowed></parameter>";
    const Row rows[] = {
        /* "the device can only be migrated when instantiated with version=1 or the equivalent full
         * configuration parameters" */
        {REVISION_1, VERSIONED, SIZE "=0", NOTHING, "", NULL, "identical" TOLD},
        {REVISION_1, VERSIONED, SIZE "=32", NOTHING, "", NULL,
         "incompatible" TOLD ", " SIZE " parameter-unknown"},
        {REVISION_1, NOTHING, "", VERSIONED, "", SIZE, "identical" TOLD ", " SIZE " off"},
        /* "back and forth migration is always safe": a state in the new form does not fit; when the
         * device is told to speak the old one, which it can while it runs, it does */
        {subsections, format, "format=2", old_format, "", "format",
         "incompatible" TOLD ", format value-not-allowed"},
        {subsections, format, "format=1", old_format, "", "format",
         "identical" TOLD ", format can-be-set"},
        {subsections, old_format, "format=1", format, "", "format",
         "identical" TOLD ", format can-be-set"},
    };

    ASSERT_ROWS("vendor-a.com/my-nic", rows);
}

/* "That's why I liked the 'version' idea; you just have to find the lowest version in your set." It
 * is not the lowest of the newest ones: a host may have left one out. Here is what each host of a
 * cluster says to each version; the choice among those that all take is the baseline's. */
static void
test_cluster(void)
{
    static const char gilbert[] = "Dr. David Alan Gilbert, 2020-11-05 14:17";
    static const char *const clusters[][3] = {
        {"1 2 3", "1 2", "2 3"}, {"1 3", "1 2", "1 2 3"}, {"1 2", "3", "3"}};
    /* by version, then host */
    static const char *const takers[][3] = {
        {"yyn", "yyy", "yny"}, {"yyy", "nyy", "yny"}, {"ynn", "ynn", "nyy"}};

    for (gsize i = 0; i < G_N_ELEMENTS(clusters); i++)
        for (gsize version = 0; version < 3; version++)
            for (gsize host = 0; host < 3; host++) {
                g_autofree char *name = g_strdup_printf("%" G_GSIZE_FORMAT, version + 1);
                g_autofree char *wanted = g_strconcat("version=", name, NULL);
                g_auto(GStrv) has = g_strsplit(clusters[i][host], " ", -1);
                g_autofree char *values = g_strjoinv("</value><value>", has);
                g_autofree char *versions = g_strjoinv("'/><version name='", has);
                g_autofree char *content = g_strdup_printf(
                    VERSIONS_OF("<value>%s</value>", "<version name='%s'/>"), values, versions);
                g_autoptr(VfModel) model = model_of("a.b/c", content);
                g_autoptr(VfRequirement) requirement = requirement_from("a.b/c", wanted);
                assert_answer(gilbert, requirement, model, "", "version",
                              takers[i][version][host] == 'y'
                                  ? "identical: version can-be-set"
                                  : "incompatible: version value-not-allowed");
            }
}

/* "distro release versions never match upstream": sequences of two sources have nothing in common.
 */
static void
test_forks(void)
{
    static const char tsirkin[] =
        "Michael S. Tsirkin, <20201116072805-mutt-send-email-mst@kernel.org>";
    g_autoptr(VfModel) model =
        model_of("a.b/c", VERSIONS_OF("<value>up-5</value><value>up-6</value>",
                                      "<version name='up-5'/><version name='up-6'/>"));
    g_autoptr(VfRequirement) upstream = requirement_from("a.b/c", "version=up-5");
    g_autoptr(VfRequirement) distribution = requirement_from("a.b/c", "version=rh-5");

    assert_answer(tsirkin, upstream, model, "", "version", "identical: version can-be-set");
    assert_answer(tsirkin, distribution, model, "", "version",
                  "incompatible: version value-not-allowed");
}

#define COMBINATION                                                                                \
    "<match/><parameter name='new-feature' type='bool' compare='equal' off='no'/>"                 \
    "<parameter name='num-queues' type='int' compare='equal'><allowed min='1' max='4'/>"           \
    "</parameter>"
#define ONLY_WITH_QUEUES                                                                           \
    "<constraint><when parameter='new-feature' is='yes'/>"                                         \
    "<then parameter='num-queues' at-least='3'/></constraint>"
#define COMBINED(verdict, feature, rest)                                                           \
    verdict ": new-feature " feature ", num-queues can-be-set" rest

/* "is it possible that a destination supports num-queues=4 and new-feature=on/off - but only
 * supports new-feature=on when num-queues>2?" "Yes, it's possible but cannot be expressed". */
static void
test_combinations(void)
{
    static const char gilbert[] = "Dr. David Alan Gilbert, <20201111125626.GC3232@work-vm>";
    static const char both[] = "new-feature num-queues";
    static const struct {
        const char *wanted, *to, *expected;
    } cases[] = {
        {"new-feature=yes; num-queues=4", ONLY_WITH_QUEUES,
         COMBINED("identical", "can-be-set", "")},
        {"new-feature=yes; num-queues=3", ONLY_WITH_QUEUES,
         COMBINED("identical", "can-be-set", "")},
        {"new-feature=yes; num-queues=2", ONLY_WITH_QUEUES,
         COMBINED("incompatible", "can-be-set", ", constraint constraint-violated")},
        {"num-queues=2", ONLY_WITH_QUEUES, COMBINED("identical", "off", "")},
        {"num-queues=4", ONLY_WITH_QUEUES, COMBINED("identical", "off", "")},
        {"new-feature=yes; num-queues=2", "", COMBINED("identical", "can-be-set", "")},
        {"new-feature; num-queues=2", ONLY_WITH_QUEUES,
         COMBINED("unknown", "value-unread", ", constraint constraint-undecided")},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *content = g_strconcat(COMBINATION, cases[i].to, NULL);
        g_autoptr(VfModel) model = model_of("a.b/c", content);
        g_autoptr(VfRequirement) requirement = requirement_from("a.b/c", cases[i].wanted);
        g_autofree char *row = g_strdup_printf("%s: %s", gilbert, cases[i].wanted);
        assert_answer(row, requirement, model, "", both, cases[i].expected);
    }
}

#define FOO "<match/><parameter name='foo' type='int' compare='equal' off='0'/>"
#define FOO_STAYS "<match/><parameter name='foo' type='int' compare='equal'/>"

/* "Now, you once had a VM on this card that had foo=42. [...] Then you migrate there something that
 * does not": a device out of a pool is as the last one left it, and is switched off first. */
static void
test_pool(void)
{
    static const char dinechin[] = "Christophe de Dinechin, 2020-11-03 15:23";
    static const char williamson[] = "Alex Williamson, 2020-11-02 19:38";
    const Row rows[] = {
        {dinechin, NOTHING, "", FOO, "foo=42", "foo", "identical" TOLD ", foo off"},
        {dinechin, NOTHING, "", FOO, "foo=42", NULL, "incompatible" TOLD ", foo value-differs"},
        {dinechin, NOTHING, "", FOO_STAYS, "foo=42", NULL,
         "unknown" TOLD ", foo parameter-missing"},
        /* "Some management layers embrace the idea of device pools rather than dynamic creation" */
        {williamson, FOO, "foo=1", FOO, "foo=1", NULL, "identical: foo matches"},
        {williamson, FOO, "foo=1", FOO, "foo=2", NULL, "incompatible: foo value-differs"},
        {williamson, FOO, "foo=1", FOO, "foo=2", "foo", "identical: foo can-be-set"},
    };

    ASSERT_ROWS("a.b/c", rows);
}

#define STREAM                                                                                     \
    "<match/><parameter name='ports' type='int' compare='equal'/>"                                 \
    "<parameter name='stream' type='string' compare='equal'/>"
#define SUBSYSTEM                                                                                  \
    "<match/><parameter name='subsystem' type='bitmask' compare='equal'><read>"                    \
    "<pci-config offset='44' width='4'/></read></parameter>"
#define LINK(rule)                                                                                 \
    "<match/><parameter name='link-speed' type='int' compare='" rule "' unit='Mb/s'/>"

static void
test_other_questions(void)
{
    static const char berrange[] = "Daniel P. Berrangé, 2020-11-03 15:23";
    static const char wang[] = "Jason Wang, 2020-11-03 08:46";
    static const char dinechin[] = "Christophe de Dinechin, 2020-11-03 15:23";
    const Row rows[] = {
        /* equal parameters do not make equal streams: then the stream is a parameter */
        {berrange, STREAM, "ports=1; stream=a", STREAM, "ports=1; stream=a", NULL,
         "identical: ports matches, stream matches"},
        {berrange, STREAM, "ports=1; stream=a", STREAM, "ports=1; stream=b", NULL,
         "incompatible: ports matches, stream value-differs"},
        {berrange, STREAM, "ports=1", STREAM, "ports=1; stream=b", NULL,
         "unknown: ports matches, stream value-unread"},
        /* "e1000e means a lot of different 8275X implementations that have subtle but easy to be
         * ignored differences" */
        {wang, SUBSYSTEM, "subsystem=0x2b828086", SUBSYSTEM, "subsystem=0x2b828086", NULL,
         "identical: subsystem matches"},
        {wang, SUBSYSTEM, "subsystem=0x2b828086", SUBSYSTEM, "subsystem=0x2b838086", NULL,
         "incompatible: subsystem value-differs"},
        /* "Imagine someone who wants to migrate _precisely_ to get a different link speed." */
        {dinechin, LINK("ignore"), "link-speed=10000", LINK("ignore"), "link-speed=25000", NULL,
         "identical"},
        {dinechin, LINK("at-least"), "link-speed=10000", LINK("at-least"), "link-speed=25000", NULL,
         "superset: link-speed fits"},
        {dinechin, LINK("equal"), "link-speed=10000", LINK("equal"), "link-speed=25000", NULL,
         "incompatible: link-speed value-differs"},
    };

    ASSERT_ROWS("a.b/c", rows);
}

/* Two hosts with different descriptors: the destination's rules decide, whatever the source's say;
 * that they differ is told. */
static void
test_two_descriptors(void)
{
    const Row rows[] = {
        {REVISION_1, LINK("equal"), "link-speed=10000", LINK("at-least"), "link-speed=25000", NULL,
         "superset" TOLD ", link-speed fits"},
        {REVISION_1, LINK("at-least"), "link-speed=10000", LINK("equal"), "link-speed=25000", NULL,
         "incompatible" TOLD ", link-speed value-differs"},
        {REVISION_1, LINK("equal"), "link-speed=10000", LINK("firmware"), "link-speed=10000", NULL,
         "unknown" TOLD ", link-speed firmware-decides"},
        {REVISION_1, LINK("equal"), "link-speed=10000", NOTHING, "", NULL,
         "incompatible" TOLD ", link-speed parameter-unknown"},
        {REVISION_1, LINK("equal"), "link-speed=10000",
         "<match/><parameter name='link-speed' type='bool' compare='equal'/>", "link-speed=yes",
         NULL, "incompatible" TOLD ", link-speed value-invalid"},
    };
    g_autoptr(VfModel) from = model_of("a.b/c", LINK("equal"));
    g_autoptr(VfModel) to = model_of("a.b/c", LINK("at-least"));
    g_autoptr(GPtrArray) values = values_of("link-speed=1");
    g_autoptr(VfRequirement) requirement = vf_requirement_new_for_device(from, values);
    g_autoptr(VfReport) report = compare(requirement, to, values, NULL);
    const VfReportLine *line = report->lines->pdata[1];

    ASSERT_ROWS("a.b/c", rows);
    g_assert_cmpint(line->subject, ==, VF_REPORT_SCHEMA);
    g_assert_cmpstr(line->source, ==, from->digest);
    g_assert_cmpstr(line->destination, ==, to->digest);
}

/* "Do we want a 'I know what I'm doing' override?" "Maybe it will be useful if a device is very
 * broken and you want to offer users a command-line that allows them to migrate to safety." It says
 * what may be overridden, and changes no verdict; what the device refuses stays refused. */
static void
test_override(void)
{
    static const struct {
        const char *attributes, *known, *verdict;
        gboolean can;
    } cases[] = {
        {"compare='at-least' enforced='no'", "link-speed=1000", "incompatible", TRUE},
        {"compare='at-least'", "link-speed=1000", "incompatible", FALSE},
        {"compare='at-least'", "link-speed", "unknown", TRUE},
        {"compare='at-least' enforced='no'", "link-speed=10000", "identical", FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *content = g_strdup_printf(
            "<match/><parameter name='link-speed' type='int' %s/>", cases[i].attributes);
        g_autoptr(VfModel) model = model_of("a.b/c", content);
        g_autoptr(VfRequirement) requirement = requirement_from("a.b/c", "link-speed=10000");
        g_autoptr(GPtrArray) known = values_of(cases[i].known);
        g_autoptr(VfReport) report = compare(requirement, model, known, NULL);
        g_assert_cmpstr(vf_report_verdict_to_string(report->verdict), ==, cases[i].verdict);
        g_assert_cmpint(vf_report_can_override(report), ==, cases[i].can);
        report->override = g_strdup("Cornelia Huck, 2020-11-02 12:28");
        assert_report_round_trip(report);
        g_assert_cmpstr(vf_report_verdict_to_string(report->verdict), ==, cases[i].verdict);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/thread/rss", test_rss);
    g_test_add_func("/xml/thread/capabilities", test_capabilities);
    g_test_add_func("/xml/thread/rx-filter-size", test_rx_filter_size);
    g_test_add_func("/xml/thread/version-aliases", test_version_aliases);
    g_test_add_func("/xml/thread/version-by-name", test_version_by_name);
    g_test_add_func("/xml/thread/models", test_models);
    g_test_add_func("/xml/thread/graphics-parameters", test_graphics_parameters);
    g_test_add_func("/xml/thread/graphics-versions", test_graphics_versions);
    g_test_add_func("/xml/thread/graphics-variable", test_graphics_variable);
    g_test_add_func("/xml/thread/graphics-extends", test_graphics_extends);
    g_test_add_func("/xml/thread/newer-looks-old", test_newer_looks_old);
    g_test_add_func("/xml/thread/rollback", test_rollback);
    g_test_add_func("/xml/thread/cluster", test_cluster);
    g_test_add_func("/xml/thread/forks", test_forks);
    g_test_add_func("/xml/thread/combinations", test_combinations);
    g_test_add_func("/xml/thread/pool", test_pool);
    g_test_add_func("/xml/thread/other-questions", test_other_questions);
    g_test_add_func("/xml/thread/two-descriptors", test_two_descriptors);
    g_test_add_func("/xml/thread/override", test_override);
    return g_test_run();
}

"""The results as a table for people and as a plot.

The latencies of a workload with flushes are those of the flushes.
"""

import subprocess

COLUMNS = ("IOPS", "MB/s", "/nbd", "/quorum", "p50 us", "p99 us", "p99.9 us", "CPU s/GB local", "remote")


def table(result):
    names = [target["name"] for target in result["targets"]]
    lines = [f"{target['name']:7} {target['text']}{memory(target)}" for target in result["targets"]]
    lines += ["", f"{'':26}{'':8}" + "".join(f"{column:>15}" if "CPU" in column else f"{column:>9}" for column in COLUMNS)]
    for workload, by_target in result["workloads"].items():
        for name in names:
            lines.append(f"{workload if name == names[0] else '':26}{name:8}" + row(by_target, name))
    for line in result["link"]:
        lines.append(f"link {line['rate_bytes'] / 1e6:.0f} MB/s: {line['name']:32} {line['bytes_per_second'] / 1e6:7.1f} MB/s, "
                     f"{line['bytes_per_second'] / result['link'][0]['bytes_per_second'] * 100:5.1f} % of a bare TCP stream")
    if result.get("one_volume_mib"):
        peaks = ", ".join(f"{who} {mib:.0f} MiB" for who, mib in result["one_volume_mib"].items())
        lines.append(f"peak memory with one volume: {peaks}")
    if result.get("idle_percent"):
        shares = ", ".join(f"{node}: {percent:.2f} % of a core" for node, percent in result["idle_percent"].items())
        lines.append(f"idle with {result['idle_volumes']} connected volumes, {shares}")
    return "\n".join(lines)


def memory(target):
    peaks = ", ".join(f"{side} {mib:.0f} MiB" for side, mib in target["peak_mib"].items())
    return f"; peak memory of all its processes {peaks}" if peaks else ""


def row(by_target, name):
    run = by_target[name]

    def ratio(other):
        return f"{run['iops'] / by_target[other]['iops']:9.2f}" if other in by_target and other != name else f"{'':9}"

    def cpu(side, width):
        key = f"cpu_{side}_s_per_gb"
        return f"{run[key]:{width}.2f}" if key in run else " " * width

    return (f"{run['iops']:9.0f}{run['bytes_per_second'] / 1e6:9.1f}{ratio('nbd')}{ratio('quorum')}{run['p50_us']:9.0f}"
            f"{run['p99_us']:9.0f}{run['p999_us']:9.0f}{cpu('local', 15)}{cpu('remote', 9)}")


def plot(result, path):
    """IOPS of each target and workload relative to the plain NBD export, as an SVG."""
    names = [target["name"] for target in result["targets"]]
    data = []
    for workload, by_target in result["workloads"].items():
        base = by_target.get("nbd", next(iter(by_target.values())))["iops"]
        data.append(f'"{workload}" ' + " ".join(f"{by_target[name]['iops'] / base:.4f}" for name in names))
    columns = ", ".join(f"$data using {2 + number}{':xtic(1)' if number == 0 else ''} title '{name}'"
                        for number, name in enumerate(names))
    script = "\n".join([
        f"set terminal svg size {max(900, 60 * len(data) + 300)},600 background 'white'", f"set output '{path}'",
        "set style data histograms", "set style histogram clustered gap 1", "set style fill solid 0.8", "set grid y",
        "set xtics rotate by -45", "set ylabel 'IOPS, plain NBD export = 1'", "set yrange [0:*]",
        "set key outside top horizontal", "$data << END", *data, "END", f"plot {columns}", ""])
    subprocess.run(["gnuplot"], input=script, text=True, check=True)

import torch, yaml, json, zipfile, shutil, pickle, os, collections

L = lambda n: torch.load(f"ck/{n}.pth.tar", weights_only=False)
f = L("vox-256")
for n in ["vox-256", "tps-vox-256", "vid2vid-vox-256-original"]:
    d = json.load(open(f"/work/shared/parity/{n}.json"))
    y = {
        "dataset_params": {
            "root_dir": "data/vox-png",
            "frame_shape": [256, 256, 3],
            "id_sampling": True,
            "pairs_list": "data/vox256.csv",
            "augmentation_params": {
                "flip_param": {"horizontal_flip": True, "time_flip": True},
                "jitter_param": {"brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 0.1},
            },
        },
        "model_params": d["model_params"],
        "train_params": d["train_params"],
        "reconstruction_params": {"num_videos": 1000, "format": ".mp4"},
        "animate_params": {
            "num_pairs": 50,
            "format": ".mp4",
            "normalization_params": {
                "adapt_movement_scale": False,
                "use_relative_movement": True,
                "use_relative_jacobian": True,
            },
        },
        "visualizer_params": {"kp_size": 5, "draw_border": True, "colormap": "gist_rainbow"},
    }
    open(f"ck/{n}.yaml", "w").write("# official\n" + yaml.safe_dump(y, sort_keys=False))


def small(ck):
    return {k: v for k, v in ck.items() if not k.startswith("optimizer") and k != "discriminator"}


s = small(f)


def save(n, o, **k):
    torch.save(o, f"ck/{n}.pth.tar", **k)


save(
    "f_module",
    {
        k: ({("module." + a): b for a, b in v.items()} if isinstance(v, dict) else v)
        for k, v in s.items()
    },
)


def cp():
    return {k: (dict(v) if isinstance(v, dict) else v) for k, v in s.items()}


c = cp()
k = list(c["generator"])[5]
c["generator"]["renamed_" + k] = c["generator"].pop(k)
save("f_renamed", c)
c = cp()
k = list(c["generator"])[0]
c["generator"][k] = c["generator"][k][:, :-1]
save("f_shape", c)
c = cp()
k = list(c["kp_detector"])[0]
t = c["kp_detector"][k].clone()
t.view(-1)[3] = float("nan")
c["kp_detector"][k] = t
save("f_nan", c)
c = cp()
del c["kp_detector"]
save("f_nokp", c)
c = cp()
c["evil"] = os.system
save("f_func", c)


class E:
    def __reduce__(self):
        return (os.system, ("touch /tmp/stranger3/PWNED",))


c = cp()
c["evil"] = E()
save("f_evil", c)
save("f_legacy", s, _use_new_zipfile_serialization=False)
c = cp()
c["generator"] = {k: (v.half() if v.is_floating_point() else v) for k, v in c["generator"].items()}
save("f_half", c)
b = open("ck/vox-256.pth.tar", "rb").read()
open("ck/f_trunc.pth.tar", "wb").write(b[: len(b) // 2])
open("ck/f_empty.pth.tar", "wb").close()
open("ck/f_text.pth.tar", "w").write("hello\n")
save("f_bare", s["generator"])
save("f_list", [1, 2])
save("f_nan_nondict", {"generator": 3, "kp_detector": []})
v = L("vid2vid-vox-256-original")
v.pop("optimizer_generator")
vv = dict(v)
del vv["he_estimator"]
save("v_nohe", vv)
t = L("tps-vox-256")
t.pop("optimizer_generator")
tt = dict(t)
tt.pop("avd_network")
save("t_noavd", tt)
tt = dict(t)
tt.pop("bg_predictor")
save("t_nobg", tt)
tt.pop("avd_network")
save("t_noneither", tt)

"""Write explanations to run folders and to the file formats of other tools.

`EXPORTERS` maps the names of formats to `tam_video.export.exporter.Exporter` values; other packages
add theirs through the entry-point group `tam_video.exporters`.
"""

from tam_video.registry import Registry

EXPORTERS = Registry(
    kind="export format",
    targets={
        "ass": "tam_video.export.subtitles:ASS",
        "coco": "tam_video.export.coco:COCO",
        "csv": "tam_video.export.tables:CSV",
        "cvat": "tam_video.export.cvat:CVAT",
        "cvat-masks": "tam_video.export.cvat:CVAT_MASKS",
        "davis": "tam_video.export.davis:DAVIS",
        "elan": "tam_video.export.elan:ELAN",
        "json": "tam_video.export.tracks_json:JSON",
        "labelstudio": "tam_video.export.labelstudio:LABEL_STUDIO",
        "mot": "tam_video.export.mot:MOT",
        "npz": "tam_video.export.maps:NPZ",
        "parquet": "tam_video.export.tables:PARQUET",
        "safetensors": "tam_video.export.maps:SAFETENSORS",
        "spans": "tam_video.export.tracks_json:SPANS",
        "srt": "tam_video.export.subtitles:SRT",
        "vtt": "tam_video.export.subtitles:VTT",
        "ytvis": "tam_video.export.coco:YTVIS",
        "zarr": "tam_video.export.maps:ZARR",
    },
    group="tam_video.exporters",
)

__all__ = ["EXPORTERS"]
